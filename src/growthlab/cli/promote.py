"""growthlab promote: make a challenger the champion of the registry, if the gate allows it."""

from __future__ import annotations

from growthlab.config.compose import Command
from growthlab.promotion.promotion_report import checks_as_text, verdict_of
from growthlab.promotion.ruling import AlreadyChampionError
from growthlab.registry.model_registry import how_to_serve_champion
from growthlab.tracking.run_links import model_address
from growthlab.workbench.challenge import report_path, rule_on_challenger
from growthlab.workbench.set_up import tracking_store


def run(command: Command) -> int:
    """Decide, print the decision and carry it out unless it is a dry run.

    The status is 1 if the gate refuses.
    """
    try:
        ruling = rule_on_challenger(command)
    except AlreadyChampionError as error:  # also where the command was killed at its very end
        print(f"{error}: nothing to do")
        return 0
    case, decision = ruling.case, ruling.decision
    status = 0 if decision.promote else 1
    if command.config.dry_run:
        verdict = f"{verdict_of(case, decision)} (dry run): {case.challenger_model}"
        print(f"{verdict}: {decision.reason}\n\n{ruling.report}")
        print("dry_run=true: nothing was changed")
        return status
    print(f"{checks_as_text(decision)}\n")
    if decision.promote:
        task = command.choice("task")
        data = case.name.removesuffix(f"-{task}")
        print(f"promoted: {case.challenger_model} is champion of {case.name}: {decision.reason}")
        print(f"models:/{case.name}@champion")
        if case.champion_version:
            back = f"growthlab rollback task={task} data={data}"
            print(f"back to {case.champion_model}: {back}")
        print(how_to_serve_champion(case.name, data, case.champion_version))
    else:
        print(f"refused: {decision.reason}")
    print(f"report: {report_path(command, case)}")
    print(f"look: {model_address(tracking_store(command.config), case.name)}")
    return status
