"""Models behind an OpenAI-compatible API, measured on the same tasks as local ones.

spec      what an endpoint accepts, costs and allows, as data           (light)
rules     the parts of a spec: what a body may hold, prices, pacing      (light)
answers   what tasks get: replies, first tokens, missing answers         (stdlib only)
payload   requests of tasks -> bodies on the wire
wire      the `openai` client: one call, streamed or not, as plain data
faults    what went wrong, and whether to try again
reply     plain data -> text, usage, log-probabilities
texts     requests made to fit the context
echo      where in an echoed prompt a continuation begins
pacing    when the next request may go
ledger    tokens and money: what was spent, what may be, what it will take
store     every reply that was paid for, by endpoint, model, payload and repeat
ask       many requests at once: paced, retried, kept, stopped
preflight key, model name and abilities, before anything is spent
lm        what tasks ask, in the words of `harness.scoring.lm.HarnessLM`
subject   spec -> subject

Importing this package or its spec imports neither torch nor openai.
"""
