# Runs cells of R. Requests come on the first descriptor that it is given, one JSON object a line:
# {id, code, env} or {interrupt: id}; messages go to the second (see process.py).
#
# As in IRkernel, every visible value of a cell is a result: text as print() shows it, and HTML, by
# the package repr, for data frames and matrices. Plots become PNG results when the cell ends. What
# a cell prints, warns or messages goes to its stdout and stderr.
#
# Interrupts count only while a cell runs: all else happens under suspendInterrupts(). R ignores the
# signal while it waits for a program in system(): there it looks for the request that comes with it.

# Not below the global environment, whose names are the user's.
local(envir = new.env(parent = baseenv()), {

RESULT_CHARS_MAX <- 5e6
PLOT_INCHES <- 7
PLOT_DOTS_PER_INCH <- 120

for (package in c("jsonlite", "repr")) {
  if (!nzchar(system.file(package = package))) {
    text <- paste0("the R package ", package, " is missing; run `make extras` on the server's machine")
    writeLines(text, stderr())
    quit("no", 3)
  }
}

fds <- paste0("/proc/self/fd/", commandArgs(trailingOnly = TRUE))
requests <- fifo(fds[[1]], "rt", blocking = TRUE) # unlike file(), it waits for no full buffer
notices <- fifo(fds[[1]], "rt", blocking = FALSE)
messages <- file(fds[[2]], "wt", raw = TRUE)
plot_folder <- tempfile("plots")
plot_pattern <- file.path(plot_folder, "%06d.png")

# ---- Messages

send <- function(...) {
  line <- jsonlite::toJSON(list(...), auto_unbox = TRUE, null = "null")
  writeLines(line, messages, useBytes = TRUE)
  flush(messages)
}

valid <- function(text) iconv(enc2utf8(text), "UTF-8", "UTF-8", sub = "byte")

send_result <- function(forms, is_main_result) {
  for (name in names(forms)) {
    if (nchar(forms[[name]], "bytes") <= RESULT_CHARS_MAX) next
    warn("capibara6: the ", name, " form of a result is too large to be sent")
    forms[[name]] <- if (name == "text") substr(forms[[name]], 1, RESULT_CHARS_MAX / 4)
  }
  event <- list(type = "result", extra = structure(list(), names = character()))
  do.call(send, c(event, forms, is_main_result = is_main_result))
}

send_error <- function(failure, calls) {
  if (identical(conditionCall(failure), evaluation)) failure$call <- NULL
  value <- valid(toString(failure))
  stack <- vapply(calls, function(call) valid(deparse(call, nlines = 1L)[[1]]), "")
  lines <- sprintf("%d. %s\n", seq_along(stack), stack)
  traceback <- paste0(c(value, "Traceback:\n", lines), collapse = "\n")
  send(type = "error", name = "ERROR", value = value, traceback = traceback)
}

warn <- function(...) {
  cat(..., "\n", sep = "", file = stderr())
}

# ---- Values and plots

# Called from where the user's own methods of print() are found.
print_value <- function(value) base::print(value)
environment(print_value) <- globalenv()

show <- function(value, is_main_result) {
  text <- valid(paste(utils::capture.output(print_value(value)), collapse = "\n"))
  if (!nzchar(text)) return() # a plot, drawn by its print method
  forms <- list(text = text)
  if (is.data.frame(value) || is.matrix(value)) forms$html <- valid(repr::repr_html(value))
  send_result(forms, is_main_result)
}

open_plots <- function(...) {
  dir.create(plot_folder, FALSE, TRUE)
  size <- PLOT_INCHES
  grDevices::png(plot_pattern, size, size, "in", res = PLOT_DOTS_PER_INCH, type = "cairo")
}

send_plots <- function() {
  if (!dir.exists(plot_folder)) return()
  for (device in grDevices::dev.list()) {
    if (identical(attr(.Devices[[device]], "filepath"), plot_pattern)) grDevices::dev.off(device)
  }
  for (path in sort(dir(plot_folder, full.names = TRUE))) {
    png <- jsonlite::base64_enc(readBin(path, "raw", file.size(path)))
    send_result(list(png = gsub("\n", "", png, fixed = TRUE)), FALSE)
  }
  unlink(plot_folder, TRUE)
}

# ---- Executions

evaluation <- quote(eval(cell[[index]], globalenv()))

run <- function(code, name) {
  cell <- read_cell(code, srcfilecopy(name, strsplit(code, "\n")[[1]]))
  for (index in seq_along(cell)) {
    returned <- withVisible(eval(cell[[index]], globalenv()))
    if (returned$visible) show(returned$value, index == length(cell))
  }
}

read_cell <- function(code, source) {
  tryCatch(
    parse(text = code, keep.source = TRUE, srcfile = source),
    error = function(failure) stop(conditionMessage(failure), call. = FALSE)
  )
}

# Deferred warnings are shown at R's own prompt, which never comes.
on_warning <- function(warning) {
  if (!(getOption("warn") %in% 0:1)) return()
  call <- conditionCall(warning)
  where <- if (!is.null(call) && !identical(call, evaluation)) paste0("In ", deparse(call, nlines = 1L)[[1]], " : ")
  warn("Warning message:\n", where, conditionMessage(warning))
  tryInvokeRestart("muffleWarning")
}

attempt <- function(code, name) {
  calls <- list()
  remember <- function(failure) {
    all <- sys.calls()
    ours <- which(vapply(all, identical, NA, evaluation))
    # Without what leads to the cell, and from the condition to this handler.
    calls <<- if (length(ours)) utils::head(utils::tail(all, -max(ours)), -2L) else list()
  }
  observed <- function() {
    withCallingHandlers(allowInterrupts(run(code, name)), error = remember, warning = on_warning)
  }
  tryCatch(
    withRestarts(observed(), abort = function() NULL),
    interrupt = function(condition) {
      send(type = "error", name = "KeyboardInterrupt", value = "the execution was interrupted",
           traceback = "")
    },
    error = function(failure) send_error(failure, calls)
  )
}

with_environment <- function(variables, action) {
  before <- Sys.getenv(names(variables), unset = NA, names = TRUE)
  if (length(variables)) do.call(Sys.setenv, variables)
  action()
  known <- before[!is.na(before)]
  if (length(known)) do.call(Sys.setenv, as.list(known))
  Sys.unsetenv(names(before)[is.na(before)])
}

running <- NULL # the number of the cell

heed_notices <- function() {
  while (length(line <- readLines(notices, 1L))) {
    number <- jsonlite::fromJSON(line)$interrupt
    if (identical(number, running)) {
      signalCondition(structure(class = c("interrupt", "condition"), list()))
      invokeRestart("abort")
    }
  }
}

heed_notices_after <- function(name) {
  original <- get(name, baseenv())
  body(original) <- bquote({
    on.exit(.(heed_notices)())
    .(body(original))
  })
  unlockBinding(name, baseenv())
  assign(name, original, baseenv())
  lockBinding(name, baseenv())
}

# An interrupt that came too late for its cell must not stop the next.
absorb_interrupts <- function() {
  tryCatch(allowInterrupts(Sys.sleep(0)), interrupt = function(condition) NULL)
}

execute <- function(request) {
  absorb_interrupts()
  running <<- request$id
  send(type = "started")
  with_environment(request$env, function() {
    attempt(request$code, sprintf("In[%d]", request$id))
    while (sink.number() > 0L) sink()
    tryCatch(send_plots(), error = function(failure) send_error(failure, list()))
  })
  running <<- NULL
  send(type = "done", id = request$id)
}

serve <- function() {
  library <- Sys.getenv("R_LIBS_USER")
  if (dir.create(library, FALSE, TRUE)) .libPaths(c(library, .libPaths()))
  options(device = open_plots, repos = c(CRAN = "https://cloud.r-project.org"))
  repeat {
    line <- readLines(requests, 1L, encoding = "UTF-8")
    if (length(line) == 0L) quit("no")
    request <- jsonlite::fromJSON(line, simplifyVector = FALSE)
    if (is.null(request$interrupt)) execute(request)
  }
}

for (name in c("system", "system2")) heed_notices_after(name)
suspendInterrupts(serve())
})
