"""``halflife backtest`` as a script: ``python run_backtest.py [SETTINGS.toml] [--set a.b=value ...] [--out DIR]``."""

from halflife import backtest_script

if __name__ == "__main__":
    backtest_script()
