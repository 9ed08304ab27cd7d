"""A statement in DuckDB's SQL as one in Spark's, translated by SQLGlot: the same rows, or refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import sqlglot
from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.generators.spark import SparkGenerator
from sqlglot.optimizer.qualify_columns import qualify_columns
from sqlglot.optimizer.qualify_tables import qualify_tables
from sqlglot.schema import MappingSchema

from growthlab.core.errors import DataError, first_line

DUCKDB = "duckdb"
# functions that are the same on both engines, or are made so here; tests compare what they give
SAME_FUNCTIONS: tuple[type[exp.Expr], ...] = (
    *(exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.StddevSamp, exp.ArgMin, exp.ArgMax),
    *(exp.RowNumber, exp.DenseRank, exp.Rank, exp.Lag, exp.Lead),
    *(exp.Coalesce, exp.Nullif, exp.Case, exp.If, exp.Cast, exp.Exists, exp.And, exp.Or, exp.Xor),
    *(exp.Abs, exp.Round, exp.Ln, exp.Sqrt, exp.Exp, exp.Greatest, exp.Least),
    *(exp.TimestampTrunc, exp.DateTrunc, exp.DateDiff, exp.Hour, exp.DayOfWeekIso),
    *(exp.Left, exp.Lower, exp.Upper, exp.Length, exp.ConcatWs, exp.Concat, exp.Chr, exp.MD5),
    *(exp.ReadParquet, exp.Anonymous),
)
OTHER_OPERATORS = (exp.IntDiv, exp.Bracket, exp.Lambda, exp.TableSample, exp.SimilarTo, exp.Glob)
WHOLE_NUMBERS = (*exp.DataType.INTEGER_TYPES, exp.DType.UTINYINT, exp.DType.USMALLINT)
GIVES_WHOLE = (
    *(exp.Predicate, exp.Connector, exp.Not, exp.Boolean, exp.Null),
    *(exp.Count, exp.RowNumber, exp.DenseRank, exp.Rank),
)


@dataclass(frozen=True)
class SparkStatement:
    """What is to be done: show the rows of `sql`, call them `name` (``view``, ``table``), or drop `name`."""

    action: Literal["rows", "view", "table", "drop"]
    sql: str = ""
    name: str = ""
    own: bool = False  # the name is known to one connection alone


class _SameRows(Spark):
    """Spark's SQL, with DuckDB's meaning where SQLGlot keeps the name of a function alone."""

    class Generator(SparkGenerator):
        """See `Dialect.Generator`."""

        TRANSFORMS: ClassVar[dict[type[exp.Expr], Callable[..., str]]] = {
            **SparkGenerator.TRANSFORMS,
            exp.DayOfWeekIso: lambda self, e: f"(WEEKDAY({self.sql(e, 'this')}) + 1)",
            exp.DateDiff: lambda self, e: self.func("DATEDIFF", e.this, e.expression),
            exp.Anonymous: lambda self, e: _function(self, e),
        }


def spark_statement(
    sql: str,
    columns: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
    functions: Collection[str] = (),
) -> SparkStatement:
    """The statement for Spark.

    Parameters
    ----------
    sql : one statement in DuckDB's SQL
    columns : the columns of each stored table
    names : the stored name of tables that a connection calls otherwise
    functions : functions that the session was given

    Raises
    ------
    DataError
        It uses something that is not known to mean the same on both engines.
    """
    try:
        parsed = sqlglot.parse_one(sql, read=DUCKDB)
        if isinstance(parsed, exp.Drop):
            return SparkStatement("drop", name=parsed.this.name)
        if not isinstance(parsed, exp.Create):
            return SparkStatement("rows", _translated(parsed, columns, names, functions))
        query = _translated(parsed.expression, columns, names, functions)
        own = any(isinstance(p, exp.TemporaryProperty) for p in parsed.find_all(exp.Property))
        kind: Literal["view", "table"] = "view" if parsed.args["kind"] == "VIEW" else "table"
        return SparkStatement(kind, query, parsed.this.name, own)
    except SqlglotError as error:
        raise DataError(f"this query does not run on Spark: {first_line(error)}") from None


def _translated(
    query: exp.Expr,
    columns: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
    functions: Collection[str],
) -> str:
    """The query in Spark's SQL, every star and every table named."""
    within = {cte.alias for cte in query.find_all(exp.CTE)}
    for cte in query.find_all(exp.CTE):
        cte.set("materialized", None)
    for table in query.find_all(exp.Table):
        if table.name in names and table.name not in within:
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
            table.set("this", exp.to_identifier(names[table.name]))
    _refuse_others(query, functions)
    if _needs_columns(query):
        schema = MappingSchema(
            {table: dict.fromkeys(have, "unknown") for table, have in columns.items()},
            dialect=DUCKDB,
            normalize=False,
        )
        query = qualify_tables(query, dialect=DUCKDB)
        query = qualify_columns(
            query, schema, expand_alias_refs=False, allow_partial_qualification=True
        )
    for union in _unions(query):
        if union.args.get("by_name"):
            _match_by_place(union)
    return query.sql(dialect=_SameRows, unsupported_level=ErrorLevel.RAISE)


def _needs_columns(query: exp.Expr) -> bool:
    """Whether a query has what Spark cannot say without the names of all columns."""
    stars = query.find_all(exp.Star)
    changed = any(star.args.get("except_") or star.args.get("replace") for star in stars)
    return changed or any(union.args.get("by_name") for union in _unions(query))


def _unions(query: exp.Expr) -> list[exp.SetOperation]:
    """The unions of a query, the innermost first."""
    return list(query.find_all(exp.SetOperation))[::-1]


def _match_by_place(union: exp.SetOperation) -> None:
    """Turn a union by name into one by place: a column that one side lacks is null there."""
    sides = [union.this, union.expression]
    all_names = list(dict.fromkeys(name for side in sides for name in side.named_selects))
    for key, side in zip(("this", "expression"), sides, strict=True):
        there = set(side.named_selects)
        cells = [
            exp.column(n, quoted=True) if n in there else exp.alias_(exp.Null(), n, quoted=True)
            for n in all_names
        ]
        union.set(key, exp.select(*cells).from_(side.subquery("side")))
    union.set("by_name", None)


def _refuse_others(query: exp.Expr, functions: Collection[str]) -> None:
    """Raise a `DataError` for what may mean something else on Spark."""
    known = {*functions, *_FUNCTIONS}
    for node in query.walk():
        name = ""
        if isinstance(node, exp.Anonymous):
            name = "" if node.name.lower() in known else node.name
        elif isinstance(node, exp.Func) and not isinstance(node, SAME_FUNCTIONS):
            name = node.sql_name()
        elif isinstance(node, (exp.DateDiff, exp.TimestampTrunc, exp.DateTrunc)):
            unit = str(node.args.get("unit") or "day").strip("'").lower()
            name = "" if unit == "day" else f"{node.sql_name()} by {unit}"
        elif isinstance(node, OTHER_OPERATORS):
            name = node.sql(DUCKDB)
        elif isinstance(node, (exp.ArgMin, exp.ArgMax)) and not isinstance(node.parent, exp.Filter):
            name = (
                f"{node.sql_name()} without a filter"  # Spark takes rows of which the value is null
            )
        elif isinstance(node, exp.Cast) and node.to.this in WHOLE_NUMBERS:
            name = "" if _is_whole(node.this) else f"a cast to {node.to.sql(DUCKDB)}"
        if name:
            raise DataError(
                f"this query does not run on Spark: {name.lower()} is not known to give the same there; "
                "data.engine=duckdb runs it"
            )


def _is_whole(value: exp.Expr) -> bool:
    """Whether a value has no fraction, which DuckDB would round and Spark cut off."""
    value = value.unnest()
    if isinstance(value, exp.Case):
        given = [each.args["true"] for each in value.args["ifs"]]
        return all(_is_whole(each) for each in [*given, value.args.get("default") or exp.Null()])
    if isinstance(value, exp.Filter):
        return _is_whole(value.this)
    return isinstance(value, GIVES_WHOLE) or (isinstance(value, exp.Literal) and value.is_int)


def _function(generator: Any, call: exp.Anonymous) -> str:
    """A call of a function that SQLGlot does not know."""
    arguments = call.expressions
    if call.name.lower() == "epoch_us":
        moment = exp.cast(arguments[0], exp.DType.TIMESTAMPLTZ)
        return str(generator.func("UNIX_MICROS", moment))
    name = _FUNCTIONS.get(call.name.lower(), call.name)
    return str(generator.func(name, *arguments))


_FUNCTIONS = {
    "epoch_us": "UNIX_MICROS",
    "hash": "XXHASH64",
}
