package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/config"
	"github.com/sesame-mta/sesame/daemon"
)

// newDoctor looks at the host as the world sees it.
func newDoctor(a *app) *cobra.Command {
	var o daemon.DoctorOptions
	cmd := a.printing(&cobra.Command{
		Use: "doctor --config FILE", Short: "Look at this host as the world sees it, and say what to do",
		Long: "Doctor looks at names, addresses, DNS records, certificate, clock, disk and ports of this host. It prints\n" +
			"one line for each thing: ok, warn or fail, what it found, and what to do. It works whether the server runs\n" +
			"or not, changes nothing, and ends with 1 when something fails.",
		Args: a.needsFile,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Config, err = config.Load(a.configFile()); err != nil {
				return err
			}
			found, err := daemon.Doctor(cmd.Context(), o)
			if err != nil {
				return err
			}
			failed := 0
			for _, f := range found {
				if f.Level == daemon.DoctorFail {
					failed++
				}
				if a.json {
					err = a.line(f)
				} else {
					text := fmt.Sprintf("%-4s  %-11s  %s", f.Level, f.Check, f.What)
					if f.Do != "" {
						text += "; " + f.Do
					}
					_, err = fmt.Fprintln(a.out, printable(text, false))
				}
				if err != nil {
					return err
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d checks failed", failed, len(found))
			}
			return nil
		}),
	})
	cmd.Flags().StringVar(&o.Outbound, "outbound", "", "a mail `host` of others, to try its port 25")
	return cmd
}
