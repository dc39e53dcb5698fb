"""What a run of activation statistics shows at its end: how often the gate opens, by IO class."""

from collections.abc import Sequence

from gated_ray.errors import InputError
from gated_ray.reports.frequencies import class_frequencies
from gated_ray.reports.frequency_table import frequency_table, to_markdown
from gated_ray.reports.layer_rows import layer_rows
from gated_ray.reports.neuron_pass import read_neurons
from gated_ray.settings import StoreSettings
from gated_ray.store.catalogue import Store, open_store
from gated_ray.store.keys import Partition

_MOST = 3
"""Models whose table is printed: of more, nobody would read them there."""


def print_frequencies(settings: StoreSettings, partitions: Sequence[Partition]) -> None:
    """Print the frequency tables of the first few models; of one whose weights are not published, what to do.

    Args:
        settings: of the store.
        partitions: of published statistics.

    Raises:
        StoreError, TransientError: the store could not be read.
    """
    if not partitions:
        return
    store = open_store(settings.url, settings.endpoint_url)
    for partition in partitions[:_MOST]:
        print(f"\n{_table(store, partition, settings.url)}")
    if len(partitions) > _MOST:
        print(f"\nTables of the other {len(partitions) - _MOST} models: python -m jobs.report store.url={settings.url}")


def _table(store: Store, partition: Partition, url: str) -> str:
    place = partition.model, partition.revision, partition.profile
    try:
        layers = store.layers(*place)
    except InputError:
        return (
            f"For frequencies by IO class, sweep the weights of {partition.model} into {url} too: python -m jobs.sweep"
        )
    activations = {partition.dataset: store.activations(*place, partition.dataset)}
    read = read_neurons(store.neurons(*place), activations, layer_rows(layers), url, partition.model)
    rows = class_frequencies(read.frequencies[partition.dataset])
    return to_markdown(frequency_table(partition.model, partition.revision, partition.dataset, rows)).rstrip()
