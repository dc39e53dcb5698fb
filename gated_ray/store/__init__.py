"""The store: what the sweep leaves behind, in a folder or an S3 bucket, with nothing lost and nothing doubled.

* `objects`, `folder`, `bucket`: a flat space of keys and bytes, with atomic PUT.
* `keys`, `schemas`, `parquet`, `records`: where things lie, what columns they have, which bytes they are.
* `units`, `blocks`: a unit's tables are written, then its manifest, which is the commit. Resuming is listing manifests.
* `publish`, `publication`: when all units of a model are committed, its published tables and, last, the record of them.
* `tokens`, `token_commit`, `token_identity`: token datasets, committed shard by shard; a name keeps one meaning.
* `profiles`: a profile's name keeps one meaning.
* `verify`, `token_verify`: whether the store still holds what its manifests say.
* `catalogue`: `open_store` reads the published tables back.
"""
