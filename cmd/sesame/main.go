// Command sesame is the server and its operator's commands.
package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{Use: "sesame", SilenceUsage: true, SilenceErrors: true}
	var file string
	root.PersistentFlags().StringVar(&file, "config", os.Getenv("SESAME_CONFIG"), "configuration file")
	root.AddCommand(serveCommand(&file), devCommand())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "sesame:", err)
		os.Exit(1)
	}
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}
