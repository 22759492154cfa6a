"""Says a word of one token of benchmarks/demo/tokenizer.json for each token that is asked for, at known instants."""

import os
import sys
import time

sys.path.insert(0, os.environ["MODEL_PACKAGES"])

import numpy  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402

# Seconds before each word.
PACE = 0.02


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            count = int(triton.get_input_tensor_by_name(request, "max_tokens").as_numpy().reshape(-1)[0])
            sender = request.get_response_sender()
            for _ in range(count):
                time.sleep(PACE)
                word = numpy.array([b" teas"], dtype=object)
                sender.send(triton.InferenceResponse([triton.Tensor("text_output", word)]))
            sender.send(flags=triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        return None
