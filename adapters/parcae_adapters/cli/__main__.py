"""``python -m parcae_adapters.cli``: the command line where no script is installed."""

from parcae_adapters.cli import main

if __name__ == "__main__":
    main()
