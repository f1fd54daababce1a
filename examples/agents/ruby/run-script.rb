# An agent for Ruby of the submitter's own: runs the task's `script` and answers its value.
# The sandbox is the fence, as for every agent; each task has a fresh interpreter.
def agent(input)
  eval(input.fetch('script'), TOPLEVEL_BINDING)
end
