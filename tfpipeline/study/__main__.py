"""Studies what number formats do to a classifier, a detector, a verifier or a cascade.

    python -m tfpipeline.study --flagfile=experiments/cascade/lfw.flags --workdir=DIR

Runs every network in every format over the same pictures, writes what each says of each
picture (records), and measures these: summary.json, results.csv and report.html in
--workdir. The same command resumes; --measure_only runs nothing.
"""

from tfpipeline import entry, run_lock
from tfpipeline.study.running import settings

Command = settings.Command


def main(command: Command) -> None:
    """Runs and measures the study."""
    root = command.root
    command.stages()
    # Seconds of imports that nobody with a wrong flag should wait for.
    from tfpipeline.study.reporting import results
    from tfpipeline.study.running import steps, studies

    with run_lock.held(root):
        done = steps.Steps(root, lambda line: print(line, flush=True))
        if not command.measure_only:
            studies.run(command, done)
        for line in results.write(command, done):
            print(line)


if __name__ == "__main__":
    entry.start(main, "study", Command())
