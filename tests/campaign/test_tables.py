"""Bad input: one clear line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.campaign.conftest import N, holdout_of, options_of, settings_with, written

from growthlab.campaign.campaign_tables import CampaignTables, is_quiet
from growthlab.campaign.plan_settings import caps_of
from growthlab.campaign.table_columns import CampaignColumn, checked_table, read_table
from growthlab.core.errors import ConfigError, DataError, GrowthlabError
from growthlab.core.moments import parse_moment

Frames = dict[str, pd.DataFrame]


def first(table: str, column: str, value: object) -> Callable[[Frames], None]:
    def change(frames: Frames) -> None:
        frames[table] = frames[table].astype({column: object})
        frames[table].loc[0, column] = value

    return change


def without(table: str, column: str) -> Callable[[Frames], None]:
    def change(frames: Frames) -> None:
        frames[table] = frames[table].drop(columns=column)

    return change


def twice(table: str) -> Callable[[Frames], None]:
    def change(frames: Frames) -> None:
        frames[table] = pd.concat([frames[table], frames[table][:1]])

    return change


def no_slot_of_email(frames: Frames) -> None:
    frames["slots"] = frames["slots"][frames["slots"]["channel"] != "email"]


def both_claims(frames: Frames) -> None:
    frames["values"]["expected_value_heuristic"] = 1.0


BAD = {
    "an offer without cost": (without("offers", "cost"), "has no column cost"),
    "an empty cost": (first("offers", "cost", ""), "cost is empty in row 1"),
    "a stock of half a piece": (first("offers", "stock", "2.5"), "not a whole number"),
    "a negative cost": (first("channels", "cost", "-1"), "not a finite number of 0 or more"),
    "a value that is not finite": (first("values", "incremental_value", "inf"), "not a finite"),
    "a missing channel": (first("slots", "channel", "letter"), "channel letter is not known"),
    "a channel without a slot": (no_slot_of_email, "channel email has no slot"),
    "a slot in quiet hours": (
        first("slots", "slot", "2026-12-01T23:00"), None,
    ),
    "an unknown customer": (first("consent", "customer", "x"), "customer x is not known"),
    "an unknown customer of a value": (first("values", "customer", "x"), "customer x is not known"),
    "an unknown segment": (first("offers", "segments", "west"), "west is not known"),
    "a customer twice": (twice("customers"), "1 rows are there twice, the first: c000"),
    "a contact twice": (twice("contacts"), "1 rows are there twice"),
    "a value twice": (twice("values"), "gives 1 values twice"),
    "contacts that overlap": (first("contacts", "sent", "2026-12-01T10:00"), "overlap with the plan"),
    "no offer": (lambda f: f.update(offers=f["offers"][:0]), "offers has no row"),
    "an odd time": (first("contacts", "sent", "last week"), "not a time like"),
    "an odd consent": (first("consent", "given", "perhaps"), "not true or false"),
    "both claims": (both_claims, "values of one claim"),
    "no claim": (without("values", "incremental_value"), "none of"),
    "a probability above one": (first("values", "buys", "1.5"), "from 0 to 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(frames: Frames, tmp_path: Path, name: str) -> None:
    change, said = BAD[name]
    change(frames)
    if said is None:
        frames["slots"].loc[0, "channel"] = "sms"
        said = "the slot 2026-12-01 23:00:00 of sms is in its quiet hours, 21 to 8"
    with pytest.raises(GrowthlabError) as caught:
        options_of(written(frames, tmp_path), settings_with())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_table_says_how_to_get_an_example(frames: Frames, tmp_path: Path) -> None:
    folder = written(frames, tmp_path)
    (folder / "consent.csv").unlink()
    with pytest.raises(ConfigError, match=r"no table of consent .* example=true"):
        CampaignTables.read(folder)
    (folder / "offers.yaml").write_text("[]")
    with pytest.raises(ConfigError, match=r"offers\.csv and offers\.yaml: keep one"):
        read_table(folder, "offers", {})


def test_tables_may_be_parquet_or_yaml(frames: Frames, tmp_path: Path) -> None:
    folder = written(frames, tmp_path)
    before = CampaignTables.read(folder)
    for name in ("customers", "slots"):
        (folder / f"{name}.csv").unlink()
        frames[name].to_parquet(folder / f"{name}.parquet")
    (folder / "channels.csv").unlink()
    (folder / "channels.yaml").write_text(
        "- {channel: email, cost: 0.1}\n"
        "- {channel: sms, cost: 0.5, budget: 30, quiet_from: 21, quiet_to: 8}\n"
    )
    after = CampaignTables.read(folder)
    for name in ("customers", "slots", "channels"):
        left, right = getattr(before, name), getattr(after, name)
        pd.testing.assert_frame_equal(left, right, check_dtype=False)


def test_nobody_contacted_and_nobody_consenting_are_tables_without_rows(
    frames: Frames, tmp_path: Path
) -> None:
    for name in ("contacts", "consent"):
        frames[name] = frames[name][:0]
    options = options_of(written(frames, tmp_path), settings_with())
    assert not options.allowed.any()
    assert options.sent.sum() == 0


def test_quiet_hours_go_over_midnight() -> None:
    def quiet(hour: str) -> bool:
        return is_quiet(parse_moment(f"2026-12-01T{hour}", "slot"), 21.0, 8.0)

    assert [quiet(h) for h in ("07:59", "08:00", "20:59", "21:00")] == [True, False, False, True]


def test_empty_cells_have_their_default_and_numbers_of_rows_count_from_one() -> None:
    columns = {"n": CampaignColumn("number", default=3.0)}
    table = checked_table(pd.DataFrame({"n": ["", "1"]}), Path("t.csv"), columns)
    assert table["n"].tolist() == [3.0, 1.0]
    with pytest.raises(DataError, match=r"t\.csv: n is x in row 2"):
        checked_table(pd.DataFrame({"n": ["", "x"]}), Path("t.csv"), columns)


def test_settings_out_of_range_are_refused() -> None:
    for name, value in (
        ("budget", -1.0), ("budget", float("nan")), ("days", 0), ("roi_floor", -1.0),
        ("smallest_segment", 9), ("explore_limit", 2.0), ("minima", {"north": -1}),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=name):
            settings_with(**{name: value})
    for control, explore in ((0.0, 0.1), (0.1, 0.0), (0.6, 0.4)):
        with pytest.raises(ConfigError, match=r"control|explore"):
            holdout_of(settings_with(control=control, explore=explore))
    for cap in ({"most": 1}, {"most": 1.5, "days": 7}, {"most": 1, "days": 7, "weeks": 1}):
        with pytest.raises(ConfigError, match="caps: "):
            caps_of([cap])


def test_what_was_sent_before_counts_by_day(frames: Frames, tmp_path: Path) -> None:
    options = options_of(written(frames, tmp_path), settings_with())
    # 40 customers had an e-mail on 28 November, three days before the first planned one
    assert options.sent.shape == (N, 30, 2)
    assert options.sent[:, -3, 0].sum() == 40
    assert options.sent.sum() == 40
