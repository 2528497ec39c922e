package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/daemon"
)

// newCheck proves the invariants of a stopped spool.
func newCheck(a *app) *cobra.Command {
	var dir string
	cmd := a.printing(&cobra.Command{
		Use: "check", Short: "Prove the invariants of a stopped server's spool",
		Long: "Check walks the data directory of a stopped server and says what is wrong with it, one line each.\n" +
			"The directory is that of --data-dir, else the one that the configuration file names.",
		Args: func(cmd *cobra.Command, args []string) error {
			if dir == "" && a.configFile() == "" {
				return errors.New("name a directory with --data-dir, or a file with --config")
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: does(func(*cobra.Command, []string) error {
			if dir == "" {
				c, err := config.Load(a.configFile())
				if err != nil {
					return err
				}
				dir = c.DataDir
			}
			problems, err := daemon.CheckSpool(dir)
			if err != nil {
				return err
			}
			for _, p := range problems {
				if a.json {
					err = a.line(map[string]string{"problem": p})
				} else {
					_, err = fmt.Fprintln(a.out, p)
				}
				if err != nil {
					return err
				}
			}
			if len(problems) > 0 {
				return fmt.Errorf("%d problems in %s", len(problems), dir)
			}
			if !a.json {
				_, err = fmt.Fprintln(a.out, "no problems found")
			}
			return err
		}),
	})
	cmd.Flags().StringVar(&dir, "data-dir", "", "the data `directory` of a stopped server")
	return cmd
}
