package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/api/admin"
	"github.com/sesame-mta/sesame/config"
)

// app is what all commands share.
type app struct {
	out    io.Writer
	config string // --config
	json   bool   // --json
}

// newRoot makes the command tree, one constructor for each command.
func newRoot(a *app) *cobra.Command {
	root := group("sesame", "A mail relay with the manners of Amazon SES",
		serveCommand(a),
		devCommand(),
		newAccount(a),
		newCredential(a),
		newIdentity(a),
		newService(a),
		newConfigSet(a), newTemplate(a),
		newDestination(a),
		newSuppression(a),
		newQueue(a),
		newTrace(a),
		newKey(a),
		newCheck(a),
		newDoctor(a),
		newStatus(a),
		newCheckConfig(a),
		newVersion(a),
	)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVar(&a.config, "config", "",
		"the server's configuration `file`; else SESAME_CONFIG, the system's server, or that of sesame dev")
	return root
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%s needs a command", cmd.CommandPath())
		},
	}
	cmd.AddCommand(commands...)
	return cmd
}

// refusal marks an error of the work itself; any other is one of usage.
type refusal struct{ error }

// Unwrap gives the error itself.
func (r *refusal) Unwrap() error { return r.error }

// does makes what a command runs: every error in it is a refusal.
func does(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return &refusal{err}
		}
		return nil
	}
}

// printing adds --json.
func (a *app) printing(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON: one object, or one a line for lists")
	return cmd
}

// configFile gives the file that the operator named, or nothing.
func (a *app) configFile() string {
	if a.config != "" {
		return a.config
	}
	return os.Getenv("SESAME_CONFIG")
}

// needsFile is the check of the arguments of a command that needs the file.
func (a *app) needsFile(cmd *cobra.Command, args []string) error {
	if a.configFile() == "" {
		return errors.New("name a file with --config")
	}
	return cobra.NoArgs(cmd, args)
}

// client finds the server's socket: in the configuration file that was named,
// else the system's, else that of sesame dev.
func (a *app) client() (*admin.Client, error) {
	if path := a.configFile(); path != "" {
		c, err := config.Load(path)
		if err != nil {
			return nil, err
		}
		return admin.NewClient(c.Listen.Admin), nil
	}
	system := config.Default("localhost").Listen.Admin
	dev, err := stateDir("")
	if err != nil {
		return admin.NewClient(system), nil
	}
	dev = filepath.Join(dev, "admin.sock")
	if !exists(system) && exists(dev) {
		return admin.NewClient(dev), nil
	}
	if !exists(system) {
		return nil, fmt.Errorf("no server is running: neither %s nor %s exists; name the server with --config FILE", system, dev)
	}
	return admin.NewClient(system), nil
}

// exists reports whether something is there, even if we may not look at it.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
