package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/api/admin"
)

func newCredential(a *app) *cobra.Command {
	return group("credential", "Make, list and revoke the credentials of accounts",
		newCredentialCreate(a), newCredentialImport(a), newCredentialList(a), newCredentialShow(a),
		newCredentialSet(a), newCredentialRevoke(a))
}

func newCredentialCreate(a *app) *cobra.Command {
	var (
		owner string
		t     termsFlags
	)
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a credential: a user name and password for SMTP, and the keys they come from",
		Long: "Make a credential: a user name and password for SMTP, and the keys they come from.\n" +
			"The secrets are shown this once. An account that does not exist is made.",
		Args: cobra.NoArgs,
	}
	accountFlag(cmd, &owner)
	t.flags(cmd.Flags())
	return one(a, cmd, newCredentialRows, func(ctx context.Context, c *admin.Client, _ []string) (admin.NewCredential, error) {
		terms, err := t.terms(admin.Terms{}, cmd.Flags())
		if err != nil {
			return admin.NewCredential{}, err
		}
		return c.CreateCredential(ctx, owner, terms)
	})
}

func newCredentialRows(c admin.NewCredential) []row {
	return []row{
		{"account", marked(c.Account, c.AccountMade)},
		{"username", c.Username},
		{"password", c.Password},
		{"access key id", c.AccessKeyID},
		{"secret access key", c.SecretAccessKey},
	}
}

func newCredentialList(a *app) *cobra.Command {
	return ofAccounts(a, &cobra.Command{Use: "list", Short: "List credentials, without their secrets"},
		row{"ACCESS KEY ID", "ACCOUNT", "STATUS", "CREATED", "LAST USED", "LIMITS"},
		func(c admin.Credential) row {
			return row{c.AccessKeyID, c.Account, credentialStatus(c), instant(c.Created), lastUsed(c), limits(c.Terms)}
		}, (*admin.Client).Credentials)
}

func newCredentialRevoke(a *app) *cobra.Command {
	return named(a, &cobra.Command{Use: "revoke ACCESS-KEY-ID", Short: "End a credential for good"},
		says(func(c admin.Credential) string { return c.AccessKeyID + " of " + c.Account + " is revoked." }), (*admin.Client).RevokeCredential)
}

// marked tells an account that was made just now.
func marked(account string, made bool) string {
	if made {
		return account + " (new)"
	}
	return account
}
