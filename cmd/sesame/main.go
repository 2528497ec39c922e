// Command sesame is the one program: the server, the server for a developer's
// machine, and the operator's commands, which talk to a running server over its
// admin socket. It parses, connects and prints, and holds no logic.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Exit codes.
const (
	exitDone    = 0
	exitRefused = 1 // refused, not found or failed
	exitUsage   = 2
)

func main() { os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr)) }

// execute runs one command and gives the exit code.
func execute(args []string, out, errOut io.Writer) int {
	root := newRoot(&app{out: out})
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(context.Background())
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(errOut, "sesame: %s\n", printable(err.Error(), true))
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		return exitRefused
	}
	fmt.Fprintf(errOut, "Run '%s --help' for usage.\n", cmd.CommandPath())
	return exitUsage
}
