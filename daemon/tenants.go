package daemon

import "github.com/sesame-mta/sesame/auth/sigv4"

// deriveImported gives the SMTP password of a secret that was made elsewhere.
func deriveImported(secret, region string) string {
	if region == "" {
		return sigv4.SMTPPasswordV2(secret)
	}
	return sigv4.SMTPPassword(secret, region)
}
