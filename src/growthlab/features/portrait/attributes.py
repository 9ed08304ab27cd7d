"""Attributes: what the table of users supplies; nothing here is inferred."""

from __future__ import annotations

import itertools

from growthlab.features.portrait.tag import Tag

AGE_BORDERS = (18, 25, 35, 45, 55, 65)  # the first age of each band but the youngest
SOURCES = {
    "age_band": ("age_band", "age"),
    "gender": ("gender", "sex"),
    "region": ("region", "country", "state"),
    "occupation": ("occupation",),
    "membership_tier": ("membership_tier", "tier"),
    "acquisition": ("acquisition", "acquisition_channel"),
}


def _supplied(name: str, rule: str, *, sensitive: bool = False) -> Tag:
    """A tag that is a column of the user table under one of its names, the first that is there."""
    return Tag(
        name=name,
        part="attribute",
        kind="text",
        rule=rule,
        over="people",
        sql=f"any_value({name})",
        needs=("|".join(f"users.{column}" for column in SOURCES[name]),),
        sensitive=sensitive,
    )


TAGS = (
    _supplied(
        "age_band",
        "`users.age_band`, else the band of `users.age` in years: under 18, 18-24, 25-34, 35-44, "
        "45-54, 55-64, 65+",
        sensitive=True,
    ),
    _supplied("gender", "`users.gender`, else `users.sex`", sensitive=True),
    _supplied("region", "`users.region`, else `users.country` or `users.state`"),
    _supplied("occupation", "`users.occupation`", sensitive=True),
    _supplied("membership_tier", "`users.membership_tier`, else `users.tier`"),
    _supplied("acquisition", "`users.acquisition`, else `users.acquisition_channel`"),
)


def age_band(age: str) -> str:
    """SQL for the band of an age in years; NULL where it is not known."""
    bands = [f"WHEN {age} < {AGE_BORDERS[0]} THEN 'under {AGE_BORDERS[0]}'"]
    for low, above in itertools.pairwise(AGE_BORDERS):
        bands.append(f"WHEN {age} < {above} THEN '{low}-{above - 1}'")
    bands.append(f"WHEN {age} >= {AGE_BORDERS[-1]} THEN '{AGE_BORDERS[-1]}+'")
    return f"CASE {' '.join(bands)} END"
