"""`python -m evoprune` is the command line."""

from evoprune.cli import main

if __name__ == "__main__":
    main()
