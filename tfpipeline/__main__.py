"""`python -m tfpipeline COMMAND ...`, as the program `tfpipeline`."""

from tfpipeline import program

if __name__ == "__main__":
    program.main()
