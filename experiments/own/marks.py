"""A builder of TensorFlow Datasets, as `tfds new` begins one."""

import tensorflow_datasets as tfds

from experiments.own import drawn_marks


class Marks(tfds.core.GeneratorBasedBuilder):
    """Marks on paper."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(names=list(drawn_marks.NAMES)),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._examples(1, 600), "test": self._examples(2, 200)}

    def _generate_examples(self, seed, count):
        for number, (image, label) in enumerate(drawn_marks.examples(seed, count)):
            yield number, {"image": image, "label": label}

    _examples = _generate_examples
