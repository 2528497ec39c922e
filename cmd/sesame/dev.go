package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/daemon"
)

//go:embed dev.txt
var devText string

// devCommand runs the server for a developer's machine.
func devCommand() *cobra.Command {
	var o daemon.DevOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a server for a developer's machine, without configuration; mail is captured",
		Args:  cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			ready(cmd.OutOrStdout(), "sesame dev: starting")
			o.Log = newLog(cmd.ErrOrStderr(), config.Default("localhost").Log)
			o.Version = version()
			var err error
			if o.State, err = stateDir(o.State); err != nil {
				return err
			}
			return run(cmd.Context(), func(ctx context.Context) (*daemon.Daemon, error) {
				d, err := daemon.NewDev(ctx, o)
				if err != nil {
					return nil, err
				}
				if err := printDev(cmd.OutOrStdout(), d, o); err != nil {
					return nil, errors.Join(err, d.Close())
				}
				return d.Daemon, nil
			})
		}),
	}
	cmd.Flags().StringVar(&o.Host, "listen", "127.0.0.1", "address to listen on")
	cmd.Flags().IntVar(&o.PortOffset, "port-offset", 0, "added to every port, so that two can run at once")
	cmd.Flags().BoolVar(&o.Deliver, "deliver", false, "send mail to the outside for real")
	cmd.PersistentFlags().StringVar(&o.State, "state", "", "directory that keeps everything (default: sesame/dev in the user's state directory)")
	cmd.AddCommand(inboxCommand(&o.State))
	return cmd
}

// inboxCommand lists what was captured. It reads the directory, so it works
// whether the server runs or not.
func inboxCommand(state *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "List the mail that sesame dev captured, newest first",
		Args:  cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			dir, err := stateDir(*state)
			if err != nil {
				return err
			}
			mails, err := daemon.DevInbox(filepath.Join(dir, "inbox"))
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			enc := json.NewEncoder(out)
			for _, m := range mails {
				if asJSON {
					if err := enc.Encode(m); err != nil {
						return err
					}
					continue
				}
				ready(out, "%s  %s -> %s  %d octets\n    %s\n    Subject: %s", m.Time.Local().Format(time.DateTime), m.From.Path(), m.To, m.Size,
					m.File, printable(m.Subject, false))
			}
			if len(mails) == 0 && !asJSON {
				ready(out, "nothing captured yet")
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// stateDir is where dev keeps everything: what was asked for, else sesame/dev in
// the user's state directory.
func stateDir(asked string) (string, error) {
	if asked != "" {
		return filepath.Abs(asked)
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "sesame", "dev"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for the state, give --state: %w", err)
	}
	return filepath.Join(home, ".local", "state", "sesame", "dev"), nil
}

// printDev prints what to paste.
func printDev(w io.Writer, d *daemon.Dev, o daemon.DevOptions) error {
	t, err := template.New("dev").Parse(devText)
	if err != nil {
		return err
	}
	addrs := d.Addrs()
	host, port, err := net.SplitHostPort(addrs.STARTTLS[0])
	if err != nil {
		return err
	}
	_, tlsPort, err := net.SplitHostPort(addrs.ImplicitTLS[0])
	if err != nil {
		return err
	}
	state := ""
	if o.State != "" {
		state = " --state " + o.State
	}
	return t.Execute(w, map[string]any{"Addrs": addrs, "Host": host, "Port": port, "TLSPort": tlsPort,
		"KeyID": d.Credential.AccessKeyID, "Secret": d.Credential.SecretAccessKey, "Region": d.Region(),
		"User": d.Credential.Username, "Password": d.Credential.Password, "CA": d.CAFile,
		"Inbox": d.Inbox, "Deliver": o.Deliver, "State": state})
}
