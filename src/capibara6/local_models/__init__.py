"""Models out of GGUF files, served by llama.cpp's own server behind an endpoint of ours.

The rest of the platform sees an OpenAI-compatible endpoint on loopback and nothing else (ADR 49).
"""
