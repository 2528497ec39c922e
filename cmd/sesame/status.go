package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
)

func newStatus(a *app) *cobra.Command {
	return one(a, &cobra.Command{Use: "status", Short: "Show how the server is and what waits", Args: cobra.NoArgs}, statusRows,
		func(ctx context.Context, c *admin.Client, _ []string) (admin.Status, error) { return c.Status(ctx) })
}

func statusRows(s admin.Status) []row {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	rows := []row{
		{"host", s.Hostname}, {"version", s.Version}, {"running since", instant(s.Started)},
		{"messages", number(s.Queue.Messages)}, {"recipients", number(s.Queue.Recipients)},
		{"due", number(s.Queue.Due)}, {"held", number(s.Queue.Held)}, {"free octets", number(s.Queue.Free)},
	}
	for _, l := range s.Limits {
		rows = append(rows, row{"limit", l.Error()})
	}
	return rows
}

// problem is one thing that is wrong with a configuration file.
type problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Key     string `json:"key"`
	Message string `json:"message"`
}

func newCheckConfig(a *app) *cobra.Command {
	return a.printing(&cobra.Command{
		Use: "check-config --config FILE", Short: "Say all that is wrong with a configuration file",
		Args: a.needsFile,
		RunE: does(func(*cobra.Command, []string) error {
			_, err := config.Load(a.configFile())
			var wrong config.Errors
			if a.json && errors.As(err, &wrong) {
				for _, e := range wrong {
					if err := a.line(problem{e.File, e.Line, e.Column, e.Key, e.Message}); err != nil {
						return err
					}
				}
				return fmt.Errorf("%d errors in %s", len(wrong), a.configFile())
			}
			if err != nil || a.json {
				return err
			}
			_, err = fmt.Fprintf(a.out, "%s is good.\n", a.configFile())
			return err
		}),
	})
}

// build says what this program was made from.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
}

// version gives the version of this program.
func version() string { return buildInfo().Version }

// buildInfo reads what the compiler wrote into the program.
func buildInfo() build {
	b := build{Version: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}

func newVersion(a *app) *cobra.Command {
	return a.printing(&cobra.Command{
		Use: "version", Short: "Print the version of this program", Args: cobra.NoArgs,
		RunE: does(func(*cobra.Command, []string) error {
			b := buildInfo()
			return a.object(b, row{"sesame " + b.Version + " (" + b.Go + ")"})
		}),
	})
}
