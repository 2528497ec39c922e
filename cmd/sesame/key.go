package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/api/admin"
)

func newKey(a *app) *cobra.Command {
	return group("key", "Look after the key under which secrets lie sealed", one(a, &cobra.Command{
		Use: "rotate", Short: "Make a new key and seal all secrets and DKIM keys under it",
		Long: "Make a new key in the key file and seal the secrets of credentials and the private DKIM keys\n" +
			"under it. The old key goes when all is done; should that be interrupted, run it again.",
		Args: cobra.NoArgs,
	}, says(func(r admin.Rotated) string {
		return fmt.Sprintf("%d secrets are sealed under the new key %s.", r.Sealed, r.Key)
	}), func(ctx context.Context, c *admin.Client, _ []string) (admin.Rotated, error) { return c.RotateKey(ctx) }))
}
