// Runs cells of Java by JShell, in this process. Requests come on the first descriptor that it is
// given, one a line, as words in base64 behind the execution's number: the code, then the name and
// the value of each variable. Messages go to the second, one JSON object a line (see process.py).
//
// The value of a cell's last snippet is its result, if that is an expression. Variables of an
// execution are system properties while it runs. What a cell prints goes to its stdout and stderr.

import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FileReader;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import jdk.jshell.DeclarationSnippet;
import jdk.jshell.Diag;
import jdk.jshell.EvalException;
import jdk.jshell.ExpressionSnippet;
import jdk.jshell.JShell;
import jdk.jshell.JShellException;
import jdk.jshell.Snippet;
import jdk.jshell.Snippet.Status;
import jdk.jshell.Snippet.SubKind;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis.CompletionInfo;
import jdk.jshell.VarSnippet;
import jdk.jshell.execution.LocalExecutionControlProvider;
import sun.misc.Signal;

public final class JavaKernel {
  private static final int RESULT_CHARS_MAX = 5_000_000;

  // Those of the program jshell.
  private static final String[] IMPORTS = {
    "java.io", "java.math", "java.net", "java.nio.file", "java.util", "java.util.concurrent",
    "java.util.function", "java.util.regex", "java.util.stream",
  };

  private final BufferedReader requests;
  private final OutputStream messages;
  private final JShell shell;
  private volatile boolean interrupted;
  private volatile boolean running;

  /** A cell that has failed. */
  private static final class Failure extends Exception {
    final String name;
    final String trace;

    Failure(String name, String value, String trace) {
      super(value);
      this.name = name;
      this.trace = trace;
    }
  }

  private JavaKernel(String requests, String messages) throws IOException {
    this.requests = new BufferedReader(new FileReader("/proc/self/fd/" + requests));
    this.messages = new FileOutputStream("/proc/self/fd/" + messages);
    shell = JShell.builder().executionEngine(new LocalExecutionControlProvider(), null).build();
    for (String name : IMPORTS) {
      shell.eval("import " + name + ".*;");
    }
  }

  public static void main(String[] fds) throws IOException {
    System.setOut(stream(FileDescriptor.out));
    System.setErr(stream(FileDescriptor.err));
    System.getenv().forEach((name, value) -> System.getProperties().putIfAbsent(name, value));
    JavaKernel kernel = new JavaKernel(fds[0], fds[1]);
    // Without this, it would end the process.
    Signal.handle(new Signal("INT"), signal -> kernel.interrupt());
    for (String line; (line = kernel.requests.readLine()) != null; ) {
      kernel.execute(line.split(" ", -1));
    }
    System.exit(0);
  }

  private static PrintStream stream(FileDescriptor descriptor) {
    OutputStream out = new BufferedOutputStream(new FileOutputStream(descriptor));
    return new PrintStream(out, true, StandardCharsets.UTF_8);
  }

  private void interrupt() {
    if (running) {
      interrupted = true;
      shell.stop();
    }
  }

  private void execute(String[] words) throws IOException {
    Map<String, String> before = new HashMap<>();
    for (int i = 2; i < words.length; i += 2) {
      String name = decoded(words[i]);
      before.put(name, System.getProperty(name));
      System.setProperty(name, decoded(words[i + 1]));
    }
    interrupted = false;
    running = true;
    send("{\"type\":\"started\"}");
    attempt(decoded(words[1]));
    running = false;
    before.forEach(JavaKernel::restore);
    System.out.flush();
    System.err.flush();
    send("{\"type\":\"done\",\"id\":" + words[0] + "}");
  }

  private static String decoded(String word) {
    return new String(Base64.getDecoder().decode(word), StandardCharsets.UTF_8);
  }

  private static void restore(String name, String value) {
    if (value == null) {
      System.clearProperty(name);
    } else {
      System.setProperty(name, value);
    }
  }

  private void attempt(String code) throws IOException {
    try {
      String value = run(code);
      if (value != null) {
        sendResult(value);
      }
    } catch (Failure failure) {
      System.out.flush();
      System.err.flush();
      if (interrupted) {
        failure = new Failure("KeyboardInterrupt", "the execution was interrupted", "");
      }
      String fields = field("name", failure.name) + "," + field("value", failure.getMessage());
      send("{\"type\":\"error\"," + fields + "," + field("traceback", failure.trace) + "}");
    }
  }

  /** Run all snippets of a cell; return the text of the last one's value, if it has one. */
  private String run(String code) throws Failure {
    String value = null;
    String remaining = code;
    while (!remaining.isBlank()) {
      CompletionInfo info = shell.sourceCodeAnalysis().analyzeCompletion(remaining);
      // Incomplete code is evaluated for what the compiler says of it.
      String source = info.source() == null ? remaining : info.source();
      for (SnippetEvent event : shell.eval(source)) {
        value = event.causeSnippet() == null ? outcome(event) : value;
      }
      if (interrupted) {
        throw new Failure("", "", "");
      }
      remaining = info.source() == null ? "" : info.remaining();
    }
    return value;
  }

  private String outcome(SnippetEvent event) throws Failure {
    if (event.exception() != null) {
      throw thrown(event.exception());
    }
    Status status = event.status();
    if (status == Status.REJECTED || status == Status.RECOVERABLE_NOT_DEFINED) {
      throw rejected(event.snippet());
    }
    return event.value() == null ? null : text(event.snippet(), event.value());
  }

  private static String text(Snippet snippet, String value) {
    SubKind kind = snippet.subKind();
    String type;
    if (snippet instanceof ExpressionSnippet) {
      type = ((ExpressionSnippet) snippet).typeName();
    } else if (kind == SubKind.TEMP_VAR_EXPRESSION_SUBKIND) {
      type = ((VarSnippet) snippet).typeName();
    } else {
      return null; // a declaration
    }
    boolean quoted = type.equals("String") && value.startsWith("\"") && value.length() > 1;
    // JShell shows a string as one writes it in code.
    return quoted ? value.substring(1, value.length() - 1).translateEscapes() : value;
  }

  private Failure rejected(Snippet snippet) {
    StringBuilder value = new StringBuilder();
    StringBuilder trace = new StringBuilder();
    for (Diag diagnostic : (Iterable<Diag>) shell.diagnostics(snippet)::iterator) {
      String message = diagnostic.getMessage(Locale.ENGLISH);
      value.append(value.length() == 0 ? "" : "\n").append(message);
      trace.append(located(snippet.source(), diagnostic)).append(message).append('\n');
    }
    for (String name : (Iterable<String>) unresolved(snippet)::iterator) {
      value.append(value.length() == 0 ? "" : "\n").append("cannot find ").append(name);
    }
    return new Failure("CompilationException", value.toString(), trace.toString());
  }

  private List<String> unresolved(Snippet snippet) {
    return snippet instanceof DeclarationSnippet
        ? shell.unresolvedDependencies((DeclarationSnippet) snippet).toList()
        : List.of();
  }

  /** The line of the source that a diagnostic is about, with a mark below the place. */
  private static String located(String source, Diag diagnostic) {
    int at = (int) Math.max(0, Math.min(diagnostic.getPosition(), source.length()));
    int begin = source.lastIndexOf('\n', at - 1) + 1;
    int end = source.indexOf('\n', at);
    String line = source.substring(begin, end < 0 ? source.length() : end);
    return line + "\n" + " ".repeat(at - begin) + "^\n";
  }

  private static Failure thrown(JShellException exception) {
    if (!(exception instanceof EvalException)) {
      String name = exception.getClass().getSimpleName();
      return new Failure(name, String.valueOf(exception.getMessage()), exception.toString());
    }
    EvalException eval = (EvalException) exception;
    String message = eval.getMessage() == null ? "" : eval.getMessage();
    return new Failure(eval.getExceptionClassName(), message, trace(eval));
  }

  private static String trace(EvalException exception) {
    StringBuilder text = new StringBuilder();
    Throwable next = exception;
    for (int depth = 0; next != null && depth < 32; depth++) {
      boolean eval = next instanceof EvalException;
      String name =
          eval ? ((EvalException) next).getExceptionClassName() : next.getClass().getName();
      text.append(depth == 0 ? "" : "Caused by: ").append(name);
      text.append(next.getMessage() == null ? "" : ": " + next.getMessage()).append('\n');
      for (StackTraceElement frame : next.getStackTrace()) {
        text.append("    at ").append(frame).append('\n');
      }
      next = next.getCause();
    }
    return text.toString();
  }

  private void sendResult(String value) throws IOException {
    String sent = value;
    if (value.length() > RESULT_CHARS_MAX) {
      System.err.println("capibara6: the text form of a result is too large to be sent whole");
      sent = value.substring(0, RESULT_CHARS_MAX);
    }
    System.out.flush();
    send("{\"type\":\"result\",\"extra\":{},\"is_main_result\":true," + field("text", sent) + "}");
  }

  private void send(String message) throws IOException {
    messages.write((message + "\n").getBytes(StandardCharsets.US_ASCII));
  }

  private static String field(String name, String value) {
    StringBuilder text = new StringBuilder().append('"').append(name).append("\":\"");
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (c < ' ' || c > '~' || c == '"' || c == '\\') {
        text.append(String.format("\\u%04x", (int) c));
      } else {
        text.append(c);
      }
    }
    return text.append('"').toString();
  }
}
