"""The versions and labels that ModelConfigs ask for, by the real server's rules."""

import re
from pathlib import Path


def labelled(configs, available, before, allows_unavailable):
    """The labels of all models after a reading, `{model: {label: version}}`, and why not others.

    As in the real server, labels are taken over all together or not at all: one of a version that
    is not available yet is refused, until a later reading finds that it is. Where unavailable
    versions are allowed, this holds for labels that move, and not for new ones.

    Args:
        configs: Dict of model to ModelConfig.
        available: Dict of model to the versions that are loaded.
        before: What was returned last.
        allows_unavailable: Of the flag `--allow_version_labels_for_unavailable_models`.
    """
    found = {}
    for model, config in configs.items():
        found[model] = dict(config.version_labels)
        for label, version in found[model].items():
            moves = before.get(model, {}).get(label, version) != version
            if version not in available[model] and (moves or not allows_unavailable):
                why = f"Request to assign label to version {version} of model {model}, which is "
                return before, why + "not currently available for inference"
    return found, None


def wanted(config):
    """The versions, as numbers, that a ModelConfig asks for and that are there."""
    base = Path(config.base_path)
    entries = base.iterdir() if base.is_dir() else ()
    there = sorted(int(one.name) for one in entries if re.fullmatch("[0-9]+", one.name))
    policy = config.model_version_policy
    if policy.HasField("specific"):
        return [version for version in policy.specific.versions if version in there]
    if policy.HasField("all"):
        return there
    return there[-(policy.latest.num_versions or 1) :]
