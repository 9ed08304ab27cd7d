"""MovieLens: who rated which film, in order (1M) or with stars and times (100K)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pandas as pd

from growthlab.core.errors import DataError
from growthlab.core.file_settings import INPUT_FILE
from growthlab.data.columns import as_ids, as_strings, as_times
from growthlab.data.event_log import EventLog
from growthlab.data.raw_tables import read_table, rename_columns
from growthlab.data.readers.files import existing_file
from growthlab.data.source import Source


@dataclass(frozen=True, kw_only=True)
class _MovieLens(Source):
    """The common part of the editions: files of ratings, films and users.

    Parameters
    ----------
    path
        The file of ratings, or the folder that holds it under its usual name.
    items_path, users_path
        Films (movie_id, title, genres) and users; null: movies.parquet and users.parquet next to the
        ratings, if they are there.
    """

    path: str | None = field(default=None, metadata=INPUT_FILE)
    items_path: str | None = field(default=None, metadata=INPUT_FILE)
    users_path: str | None = field(default=None, metadata=INPUT_FILE)
    filter_seen: str = "interacted"
    filter_seen_reason: str = "nobody watches and rates a film twice"
    history_events: tuple[str, ...] = ("review",)
    target_events: tuple[str, ...] = ("review",)

    usual_name: ClassVar[str]
    genres_between: ClassVar[str]
    columns: ClassVar[dict[str, str | None]] = {"user_id": "user_id", "item_id": "movie_id"}

    def input_files(self) -> list[Path]:
        """The file of ratings, and those of films and users if there are any."""
        return [path for path in self._files() if path is not None]

    def read(self) -> EventLog:
        """One review event per rating; items are the films with a rating."""
        ratings_path, movies_path, users_path = self._files()
        assert ratings_path is not None
        ratings = rename_columns(read_table(ratings_path), self.columns, ratings_path)
        if "timestamp" in ratings:
            times = as_times(ratings["timestamp"], "timestamp", unit="s")
            ratings["timestamp"] = times
        elif "position" not in ratings:
            ratings["position"] = ratings.groupby("user_id").cumcount()
        items = None if movies_path is None else self._items(movies_path, ratings)
        users = None if users_path is None else read_table(users_path)
        events = ratings.assign(event_type="review")
        return EventLog.from_frames(events, items, users, name=self.name)

    def _items(self, path: Path, ratings: pd.DataFrame) -> pd.DataFrame:
        movies = rename_columns(read_table(path), _FILMS, path)
        movies["item_id"] = as_ids(movies["item_id"])
        movies = movies[movies["item_id"].isin(as_ids(ratings["item_id"]).unique())]
        genres = [str(g).split(self.genres_between) for g in movies["genres"].fillna("unknown")]
        years = as_strings(movies["title"]).str.extract(r"\((\d{4})\)\s*$")[0]
        if "release_year" in movies:
            years = as_strings(movies["release_year"]).fillna(years)
        attributes = [
            "|".join([*(f"genre={g}" for g in names), *([] if pd.isna(year) else [f"year={year}"])])
            for names, year in zip(genres, years, strict=True)
        ]
        return pd.DataFrame(
            {
                "item_id": movies["item_id"],
                "text": movies["title"],
                "category": [names[0] for names in genres],
                "attributes": attributes,
            }
        )

    def _files(self) -> tuple[Path | None, Path | None, Path | None]:
        if self.path is None:
            raise DataError(
                f"data={self.name} needs data.path=.../{self.usual_name}: the ratings as Parquet "
                "or CSV, from https://grouplens.org/datasets/movielens"
            )
        path = Path(self.path).expanduser()
        path = existing_file(path / self.usual_name if path.is_dir() else path)
        movies = _table_file(path, "movies", self.items_path)
        users = _table_file(path, "users", self.users_path)
        return path, movies, users


@dataclass(frozen=True, kw_only=True)
class MovieLens1M(_MovieLens):
    """A million ratings in the order of each user, without times and stars.

    6,040 users; 3,416 films with five ratings or more in ``sequences.parquet``, where `position`
    gives the order, or all 3,706 in ``pairs.parquet``, where the rows do.
    """

    name: ClassVar[str] = "movielens_1m"
    usual_name: ClassVar[str] = "sequences.parquet"
    genres_between: ClassVar[str] = "|"
    columns: ClassVar[dict[str, str | None]] = {**_MovieLens.columns, "position": None}
    horizon_days: float | None = None


@dataclass(frozen=True, kw_only=True)
class MovieLens100K(_MovieLens):
    """100,000 ratings of 1 to 5 stars with full times, of 943 users and 1,682 films, 1997 to 1998.

    Times are those of the rating, not of watching: many users rated everything in one session.
    """

    name: ClassVar[str] = "movielens_100k"
    usual_name: ClassVar[str] = "ratings.parquet"
    genres_between: ClassVar[str] = " "
    columns: ClassVar[dict[str, str | None]] = {
        **_MovieLens.columns,
        "rating": "rating",
        "timestamp": "timestamp",
    }


_FILMS: dict[str, str | None] = {
    "item_id": "movie_id",
    "title": "title",
    "genres": "genres",
    "release_year": None,
}


def _table_file(ratings: Path, table: str, setting: str | None) -> Path | None:
    """The file of a table: as the setting says, else in the folder of the ratings, if there is one."""
    if setting is not None:
        return existing_file(setting, f"data.{'items' if table == 'movies' else table}_path")
    usual = ratings.with_name(f"{table}.parquet")
    return usual if usual.is_file() else None
