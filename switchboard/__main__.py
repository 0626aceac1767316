"""`python -m switchboard` is the same as `switchboard`."""

from switchboard.command import main

if __name__ == "__main__":
    main()
