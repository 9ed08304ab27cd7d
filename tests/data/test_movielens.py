"""MovieLens in its two editions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from growthlab.core.errors import DataError
from growthlab.data.cleaning import Cleaning
from growthlab.data.movielens import MovieLens1M, MovieLens100K


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sequences = {"user_id": [1, 1, 2], "movie_id": [10, 20, 10], "position": [1, 0, 0]}
    half_timed = pd.DataFrame(sequences).assign(timestamp=pd.array([None, 5, None], dtype="Int64"))
    half_timed.to_parquet(tmp_path / "sequences.parquet")
    ratings = {"user_id": [1, 2], "movie_id": [10, 10], "rating": [5, 3], "timestamp": [0, 86400]}
    pd.DataFrame(ratings).to_parquet(tmp_path / "ratings.parquet")
    pd.DataFrame(
        {
            "movie_id": [10, 20, 30],
            "title": ["Heat (1995)", "Untitled", "Never rated (1990)"],
            "genres": ["Action|Crime", "Drama", "Drama"],
        }
    ).to_parquet(tmp_path / "movies.parquet")
    pd.DataFrame({"user_id": [1, 2], "age": [20, 30]}).to_parquet(tmp_path / "users.parquet")
    return tmp_path


def test_movielens_1m_has_an_order_and_no_times(folder: Path) -> None:
    log = MovieLens1M(path=str(folder)).read()
    assert (log.name, log.ordered_by) == ("movielens_1m", "position")
    assert list(log.to_pandas()["item_id"]) == ["20", "10", "10"]
    assert set(log.to_pandas()["event_type"]) == {"review"}


def test_items_are_the_rated_films_with_genres_and_year(folder: Path) -> None:
    items = MovieLens1M(path=str(folder)).read().items
    assert items is not None
    assert items.to_dict("records") == [
        {
            "item_id": "10",
            "text": "Heat (1995)",
            "category": "Action",
            "attributes": "genre=Action|genre=Crime|year=1995",
        },
        {"item_id": "20", "text": "Untitled", "category": "Drama", "attributes": "genre=Drama"},
    ]


def test_pairs_are_in_the_order_of_the_file(folder: Path) -> None:
    pairs = pd.DataFrame({"user_id": [1, 2, 1], "movie_id": [30, 20, 10]})
    pairs.to_parquet(folder / "pairs.parquet")
    log = MovieLens1M(path=str(folder / "pairs.parquet")).read()
    assert list(log.to_pandas()["item_id"]) == ["30", "10", "20"]


def test_movielens_100k_has_stars_and_times(folder: Path) -> None:
    source = MovieLens100K(path=str(folder), cleaning=Cleaning(min_rating=4))
    log = source.read()
    assert log.span() == (datetime(1970, 1, 1), datetime(1970, 1, 2))
    assert list(log.to_pandas()["rating"]) == [5, 3]
    assert source.prepare(folder / "cache").n_events == 1


def test_films_and_users_may_be_missing_or_elsewhere(folder: Path) -> None:
    (folder / "movies.parquet").rename(folder / "films.parquet")
    (folder / "users.parquet").unlink()
    log = MovieLens1M(path=str(folder), items_path=str(folder / "films.parquet")).read()
    assert log.items is not None
    assert log.users is None
    with pytest.raises(DataError, match=r"data.users_path=.*there is no such file"):
        MovieLens1M(path=str(folder), users_path=str(folder / "people.parquet")).input_files()


def test_without_a_path_the_option_is_named() -> None:
    with pytest.raises(DataError, match=r"data=movielens_1m needs data.path=.*sequences.parquet"):
        MovieLens1M().input_files()


@pytest.mark.data
def test_the_real_editions_have_their_published_counts(real_data: Callable[[str], Path]) -> None:
    log = MovieLens1M(path=str(real_data("movielens_1m"))).read()
    assert (log.n_events, log.n_users, log.n_items) == (999_611, 6_040, 3_416)
    pairs = MovieLens1M(path=str(real_data("movielens_1m") / "pairs.parquet")).read()
    assert (pairs.n_events, pairs.n_users, pairs.n_items) == (1_000_209, 6_040, 3_706)
    small = MovieLens100K(path=str(real_data("movielens_100k"))).read()
    assert (small.n_events, small.n_users, small.n_items) == (100_000, 943, 1_682)
    assert small.span() == (datetime(1997, 9, 20, 3, 5, 10), datetime(1998, 4, 22, 23, 10, 38))
