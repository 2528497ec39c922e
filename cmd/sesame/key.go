package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newKey(a *app) *cobra.Command {
	return group("key", "Look after the key under which secrets lie sealed", a.printing(&cobra.Command{
		Use: "rotate", Short: "Make a new key and seal all secrets and DKIM keys under it",
		Long: "Make a new key in the key file and seal the secrets of credentials and the private DKIM keys\n" +
			"under it. The old key goes when all is done; should that be interrupted, run it again.",
		Args: cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			r, err := client.RotateKey(cmd.Context())
			if err != nil {
				return err
			}
			return a.object(r, row{fmt.Sprintf("%d secrets are sealed under the new key %s.", r.Sealed, r.Key)})
		}),
	}))
}
