"""llama.cpp through llama-cpp-python, as its package was built."""
import time

from peers.engine import Engine


class Llama(Engine):
    name = "llama"
    module = "llama_cpp"
    package = "llama-cpp-python"

    def measure(self, task):
        import llama_cpp
        longest = task.longest()
        llama = llama_cpp.Llama(str(task.model), n_ctx=longest + 8, n_batch=max(512, longest), n_threads=task.threads,
                                n_threads_batch=task.threads, logits_all=False, verbose=False)
        rates = {}
        for name, count in task.tests:
            for run in range(2):
                tokens = task.tokens(count, llama.n_vocab(), run)
                llama.reset()
                start = time.perf_counter()
                if name.startswith("pp"):
                    llama.eval(tokens)
                else:
                    for token in tokens:
                        llama.eval([token])
                rates[name] = count / (time.perf_counter() - start)
        return {"rates": rates, "version": f"llama-cpp-python {llama_cpp.__version__}"}
