"""One vector for a whole image."""

import numpy as np
import torch

from adtrack.features.image_vectors import image_vectors


def test_a_vector_holds_the_means_of_each_layer_in_their_order() -> None:
    draws = np.random.default_rng(0)
    outputs = {"a": draws.standard_normal((4, 5, 6, 7)), "cls": draws.standard_normal((4, 3, 1, 1))}
    tensors = {name: torch.from_numpy(output.astype(np.float32)) for name, output in outputs.items()}
    found = image_vectors(tensors, ("cls", "a")).numpy()
    assert found.dtype == np.float32 and np.array_equal(found[:, :3], tensors["cls"].numpy()[:, :, 0, 0])
    assert np.allclose(found[:, 3:], outputs["a"].mean(axis=(2, 3)), atol=1e-7)


def test_its_bits_depend_neither_on_other_images_nor_on_where_values_lie_in_memory() -> None:
    output = 1e3 * torch.randn(5, 33, 7, 9, generator=torch.Generator().manual_seed(1))
    together = image_vectors({"a": output}, ("a",))
    last = output.contiguous(memory_format=torch.channels_last)
    moved = torch.cat([torch.zeros(1), output.flatten()])[1:].view_as(output)
    for other in (last, moved):
        assert torch.equal(image_vectors({"a": other}, ("a",)), together)
        assert torch.equal(image_vectors({"a": other[2:3]}, ("a",)), together[2:3])
