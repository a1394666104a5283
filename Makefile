.PHONY: up test quick lint format constraints

up:            ## start everything
	.venv/bin/zenpro up

test:          ## all tests
	.venv/bin/pytest

quick:         ## without browser and servers
	.venv/bin/pytest -m "not browser and not zenml" -n auto

lint:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

format:
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

constraints:   ## the newest versions that pyproject.toml allows
	@head -2 constraints.txt > constraints.new
	.venv/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
	  --quiet --no-header --no-annotate >> constraints.new
	@mv constraints.new constraints.txt
