.PHONY: up test quick lint format

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
