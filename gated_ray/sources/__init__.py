"""Where bytes come from: model references, the Hub, folders, S3, safetensors headers, and `Checkpoint` over them all."""
