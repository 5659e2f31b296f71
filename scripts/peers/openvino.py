"""OpenVINO GenAI, which reads GGUF files of the llama architecture itself. Rates are by its own clocks: what a prompt and
each generated token took on the device. Prompts are not kept from one run to the next (its default would)."""
from peers.engine import Engine, give_up


class OpenVino(Engine):
    name = "openvino"
    module = "openvino_genai"
    package = "openvino-genai"

    def measure(self, task):
        import numpy
        import openvino
        import openvino_genai
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.enable_prefix_caching = False
        scheduler.max_num_batched_tokens = max(512, task.longest())
        pipeline = openvino_genai.LLMPipeline(str(task.model), "CPU", scheduler_config=scheduler,
                                              INFERENCE_NUM_THREADS=task.threads)
        vocabulary = len(pipeline.get_tokenizer().get_vocab())
        rates = {}
        for name, count in task.tests:
            prompt, generated = (count, 1) if name.startswith("pp") else (1, count + 1)
            config = openvino_genai.GenerationConfig()
            config.max_new_tokens = generated
            config.ignore_eos = True
            config.do_sample = False
            for run in range(2):
                tokens = openvino.Tensor(numpy.array([task.tokens(prompt, vocabulary, run)], dtype=numpy.int64))
                raw = pipeline.generate(tokens, config).perf_metrics.raw_metrics
                steps = list(raw.token_infer_durations)  # microseconds: the prompt, then each token
                if len(steps) != generated:
                    give_up(f"OpenVINO GenAI took {len(steps)} steps instead of {generated}")
                rates[name] = count / (steps[0] if generated == 1 else sum(steps[1:])) * 1e6
        return {"rates": rates, "version": f"openvino-genai {openvino_genai.__version__.split('-')[0]}"}
