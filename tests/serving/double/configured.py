"""The versions and labels that a configuration requests, by the real server's rules."""

import re
from pathlib import Path


def resolve_labels(configs, available, previous, allows_unavailable):
    """Return the labels of all models that apply after the file has been read.

    As in the real server, either all labels of the file are applied or none. They are refused
    while one of them names a version that is not available yet. If unavailable versions are
    allowed, only labels that move are refused for this reason, not new ones.

    Args:
        configs: Dict of model to ModelConfig.
        available: Dict of model to the versions that are loaded.
        previous: The labels that were returned last.
        allows_unavailable: Value of the flag `--allow_version_labels_for_unavailable_models`.

    Returns:
        `({model: {label: version}}, reason)`, with the reason for a refusal, or None.
    """
    resolved = {}
    for model, config in configs.items():
        resolved[model] = dict(config.version_labels)
        for label, version in resolved[model].items():
            moves = previous.get(model, {}).get(label, version) != version
            if version not in available[model] and (moves or not allows_unavailable):
                reason = f"Request to assign label to version {version} of model {model}, which is "
                return previous, reason + "not currently available for inference"
    return resolved, None


def list_requested_versions(config):
    """Return the existing versions that a ModelConfig requests."""
    base = Path(config.base_path)
    entries = base.iterdir() if base.is_dir() else ()
    existing = sorted(int(entry.name) for entry in entries if re.fullmatch("[0-9]+", entry.name))
    policy = config.model_version_policy
    if policy.HasField("specific"):
        return [version for version in policy.specific.versions if version in existing]
    if policy.HasField("all"):
        return existing
    return existing[-(policy.latest.num_versions or 1) :]
