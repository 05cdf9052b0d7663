"""Models as graphs of standard operators, which ONNX Runtime and OpenVINO run without torch."""
