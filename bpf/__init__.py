"""What is recorded: the contract between the recorder and the analysis. Nothing here imports bcc or duckdb."""
