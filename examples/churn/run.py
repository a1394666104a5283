"""Runs the churn pipeline on the active ZenML stack: python run.py [--config configs/stumps.yaml]"""

import argparse

from churn.pipelines import churn


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the churn pipeline.")
    parser.add_argument("--config", help="a ZenML run configuration, see configs/")
    config = parser.parse_args().config
    (churn.with_options(config_path=config) if config else churn)()


if __name__ == "__main__":
    main()
