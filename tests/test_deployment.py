"""docs/deployment.md: its YAML is valid and has the settings that the text requires."""

import re
from pathlib import Path

import yaml

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "deployment.md").read_text(encoding="utf-8")
DOCUMENTS = [
    document
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for document in yaml.safe_load_all(block)
]


def find(key, value=None):
    """Return the only document that has a key, with this value unless it is None."""
    (document,) = (d for d in DOCUMENTS if key in d and value in (None, d[key]))
    return document


def test_every_block_is_one_of_the_tested_documents():
    kinds = [document.get("kind", next(iter(document))) for document in DOCUMENTS]
    expected = ["services", "Deployment", "Service", "HorizontalPodAutoscaler", "groups"]
    assert kinds == expected
    assert PAGE.count("```yaml") == 3


def test_the_compose_file_mounts_models_read_only_on_this_host_only():
    service = find("services")["services"]["serving"]
    assert all(volume["read_only"] for volume in service["volumes"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "TENSORFLOW_SERVING_TAG:?" in service["image"]
    assert "--max_num_load_retries=0" in service["command"]
    # Without it, the server would read models.config once, and never see a label that moves.
    assert "--model_config_file_poll_wait_seconds=60" in service["command"]
    assert service["environment"] == {"MALLOC_ARENA_MAX": "2"}


def test_the_kubernetes_objects_refer_to_each_other():
    deployment, service = find("kind", "Deployment"), find("kind", "Service")
    scaler = find("kind", "HorizontalPodAutoscaler")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    target = scaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    assert deployment["spec"]["replicas"] == scaler["spec"]["minReplicas"]


def test_the_container_is_read_only_and_probed():
    pod = find("kind", "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        check = container[probe].get("httpGet") or container[probe]["tcpSocket"]
        assert check["port"] in ports
    assert {"name": "MALLOC_ARENA_MAX", "value": "2"} in container["env"]
    assert "--max_num_load_retries=0" in container["args"]
    assert container["image"] == "tensorflow/serving:TAG"
    line = next(line for line in PAGE.splitlines() if "image: tensorflow/serving:TAG" in line)
    assert "# replace TAG" in line
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert container["securityContext"]["readOnlyRootFilesystem"]


def test_each_alert_has_an_expression_and_a_summary():
    (group,) = find("groups")["groups"]
    for rule in group["rules"]:
        assert rule["alert"] and rule["annotations"]["summary"]
        assert rule["expr"].count("(") == rule["expr"].count(")") and ">" in rule["expr"]


def test_the_python_blocks_can_be_parsed():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        compile(block, "deployment.md", "exec")


def test_the_page_can_be_found_and_its_links_exist():
    for page in (DOCS / "serving.md", DOCS.parent / "README.md"):
        assert "deployment.md)" in page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", PAGE):
        assert (DOCS / link).exists(), link
