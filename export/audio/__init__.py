"""Front ends for sound as C99, with the integers of `tfpipeline.audio`."""
