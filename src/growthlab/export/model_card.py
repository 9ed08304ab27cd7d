"""The model card of a bundle: what it is for, how it was evaluated, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping

from growthlab.bundle.manifest import Manifest
from growthlab.pages.text_table import markdown_table, markdown_text


def model_card(manifest: Manifest) -> str:
    """The card of the bundle that `manifest` describes, in Markdown."""
    sections = [
        markdown_text(f"# {manifest.model}: {manifest.task} on {manifest.data}"),
        _identity(manifest),
        _use(manifest),
        _data(manifest),
        _protocol(manifest),
        _results(manifest),
        _limits(manifest),
        _release(manifest),
        _privacy(manifest),
        _calling(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def _identity(manifest: Manifest) -> str:
    return _list(
        {
            "Kind": f"`{manifest.kind}`",
            "Run": manifest.run_id or "not logged",
            "Code": manifest.code_version or "not known",
            "Made": manifest.created,
            "Served with": ", ".join(f"{n} {v}" for n, v in manifest.versions.items()),
        }
    )


def _use(manifest: Manifest) -> str:
    answer = manifest.answer
    return (
        f"## Intended use\n\n{markdown_text(f'{answer.intended_use} {answer.caveat}')}\n\n"
        "Not for decisions with legal or similarly significant effects on a person, and not for "
        "setting individual prices (PIPL Art. 24, GDPR Art. 22)."
    )


def _data(manifest: Manifest) -> str:
    counts = {n.removeprefix("n_").replace("_", " "): c for n, c in manifest.counts.items()}
    state = {"Customers known up to (UTC)": manifest.state_cutoff} if manifest.state_cutoff else {}
    return "## Data\n\n" + _list(
        {
            "Source": manifest.data,
            "Digest (SHA-256)": f"`{manifest.data_digest}`",
            "Known up to (cutoff, UTC)": manifest.cutoff or "the split has no clock",
            **state,
            "Events in the history": ", ".join(manifest.history_events) or "all",
            **{n.capitalize(): f"{c:,}" for n, c in counts.items()},
        }
    )


def _protocol(manifest: Manifest) -> str:
    horizon = "none" if manifest.horizon_days is None else f"{manifest.horizon_days:g} days"
    window = (
        "the validation window before the cutoff"
        if manifest.valid
        else "nothing, as the split has no validation window before the cutoff"
    )
    facts = {
        "Split": manifest.split,
        "Horizon": horizon,
        "Seed": str(manifest.seed),
        "Chosen on": f"{window}; evaluated once after it",
    }
    if manifest.answer.kind.is_list:
        reason = f" ({manifest.filter_seen_reason})" if manifest.filter_seen_reason else ""
        facts["Seen items hidden"] = manifest.filter_seen + reason
        facts["Counted as taken"] = ", ".join(manifest.target_events) or "purchase"
        facts["Candidates"] = "the full catalogue; nothing is sampled"
    return "## Protocol\n\n" + _list(facts)


def _results(manifest: Manifest) -> str:
    """A table of the metrics after the cutoff, with those of the baselines."""
    names = list(manifest.baselines)
    head, rows = ["metric", manifest.model, "95 % interval", *names], []
    for metric, estimate in manifest.metrics.items():
        low, high = estimate.get("low"), estimate.get("high")
        interval = f"{_number(low)} to {_number(high)}" if _known(low) and _known(high) else ""
        others = [_number(manifest.baselines[n].get(metric)) for n in names]
        rows.append([metric, _number(estimate.get("value")), interval, *others])
    if not rows:
        return "## Results\n\nNo metrics were logged."
    table = "\n".join(markdown_table(head, rows, n_left=len(head)))
    note = "" if names else "\n\nNo baseline was run with it: `growthlab compare` does that."
    return f"## Results after the cutoff\n\n{table}{note}"


def _limits(manifest: Manifest) -> str:
    shared = [
        "Measured on logged behaviour, which depends on what was shown; an experiment decides.",
        "It has seen nothing after the cutoff: export again as the data ages.",
    ]
    if manifest.answer.kind.is_list:
        shared += [
            "Only models that read content list an item without events before the cutoff.",
            "A customer whom the model cannot score gets the popularity list; the answer says so.",
        ]
    else:
        shared += [
            "A customer about whom nothing is known gets the population's mean; the answer says so.",
            "Stored features are those of the cutoff; later ones can be sent with the request.",
        ]
    return "## Limitations\n\n" + "\n".join(f"- {line}" for line in shared)


def _release(manifest: Manifest) -> str:
    name = markdown_text(f"{manifest.data}-{manifest.task}")
    return (
        "## Release\n\n"
        f"This card says what was measured, not whether the model is in use: that is the version "
        f"`models:/{name}@champion` of the registry. A version gets there by `growthlab promote` "
        "only (the first one also by its export), after guards, a clean leakage report and a check "
        "that this bundle answers as it was evaluated; its tags `gate.*` and the report in the "
        "run's artifacts (`promotion/`) hold the decision and its evidence."
    )


def _privacy(manifest: Manifest) -> str:
    return (
        "## Privacy\n\n"
        "Users are stored under pseudonyms only (HMAC-SHA256 in the namespace "
        f"`{markdown_text(manifest.namespace)}`, key {manifest.key_fingerprint}); the key is not in "
        "this folder. "
        "Pseudonymised data remain personal data: guard `state/` like a customer table. "
        "`model.npz` of neighbourhood and user-embedding models is personal data too."
    )


def _calling(manifest: Manifest) -> str:
    return (
        "## How to call it\n\n"
        "```\n"
        "growthlab serve bundle=THIS_FOLDER\n"
        f"curl -X POST http://127.0.0.1:8000/{manifest.answer.endpoint} -H 'Content-Type: application/json' "
        "-d @request.json\n"
        "```\n\n"
        "The field `served` of an answer says how it was made."
    )


def _list(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {markdown_text(n)}: {markdown_text(v)}" for n, v in facts.items())


def _known(value: float | None) -> bool:
    return value is not None and value == value  # NaN is not known


def _number(value: float | None) -> str:
    return f"{value:.4g}" if value is not None and _known(value) else ""
