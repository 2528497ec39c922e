package main

import (
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api/admin"
)

func newService(a *app) *cobra.Command {
	return group("service", "See to the service domain", newServiceRecords(a))
}

func newServiceRecords(a *app) *cobra.Command {
	return a.asks(&cobra.Command{
		Use: "records", Short: "Print the zone to publish under the service domain",
		Long: "Print the zone to publish under the service domain: the keys of all identities with Easy DKIM,\n" +
			"those in use, the next ones and those in use until lately, and what the domain itself needs.\n" +
			"Publish it again after identities were added and from time to time for rotations.",
		Args: cobra.NoArgs,
	}, func(ctx context.Context, c *admin.Client, _ []string) error { return a.zone(c.ServiceRecords(ctx)) })
}

// zone prints records as lines of a zone file, or as JSON, one object a line.
func (a *app) zone(records iter.Seq2[identity.Record, error]) error {
	for r, err := range records {
		if err == nil && a.json {
			err = a.line(r)
		} else if err == nil {
			_, err = fmt.Fprintln(a.out, printable(r.Zone(), false))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
