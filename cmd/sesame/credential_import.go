package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/api/admin"
)

// maxStdin is longer than any secret.
const maxStdin = 4096

func newCredentialImport(a *app) *cobra.Command {
	var (
		q                admin.ImportRequest
		secret, password bool
		t                termsFlags
	)
	cmd := &cobra.Command{
		Use:   "import --username ACCESS-KEY-ID",
		Short: "Take in a key pair that programs use already, so that they keep their password",
		Long: "Take in a key pair that programs use already, so that they keep their password. Either the\n" +
			"secret access key is read from standard input (--secret-stdin), with the region in which the\n" +
			"password was derived (--region) or the form of before 2019 (--sigv2); or the SMTP password\n" +
			"itself (--password-stdin), which shows its form.",
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&q.Account, "account", account.DefaultName, "the account's `name`")
	f.StringVar(&q.AccessKeyID, "username", "", "the access key id, which is the user name for SMTP")
	f.StringVar(&q.Region, "region", "", "the region in which the password was derived")
	f.BoolVar(&q.SigV2, "sigv2", false, "the password has the form of before 2019")
	f.BoolVar(&secret, "secret-stdin", false, "read the secret access key from standard input")
	f.BoolVar(&password, "password-stdin", false, "read the SMTP password from standard input")
	t.flags(f)
	_ = cmd.MarkFlagRequired("username") // fails for an unknown flag only
	cmd.MarkFlagsOneRequired("secret-stdin", "password-stdin")
	cmd.MarkFlagsMutuallyExclusive("secret-stdin", "password-stdin")
	cmd.MarkFlagsMutuallyExclusive("region", "sigv2")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "region")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "sigv2")
	return one(a, cmd, credentialRows, func(ctx context.Context, c *admin.Client, _ []string) (cred admin.Credential, err error) {
		if q.Terms, err = t.terms(admin.Terms{}, cmd.Flags()); err != nil {
			return cred, err
		}
		text, err := firstLine(cmd.InOrStdin())
		if err != nil {
			return cred, fmt.Errorf("read standard input: %w", err)
		}
		if password {
			q.Password = text
		} else {
			q.Secret = text
		}
		return c.ImportCredential(ctx, q)
	})
}

// firstLine reads one line, with or without its end.
func firstLine(r io.Reader) (string, error) {
	text, err := bufio.NewReader(io.LimitReader(r, maxStdin)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(text, "\r\n"), nil
}
