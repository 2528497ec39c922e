package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// What the derivation of an SMTP password is made of (spec section 2.2). The
// date is fixed, so that a password does not age.
const (
	version2 = 0x02
	version4 = 0x04
	message  = "SendRawEmail"
)

// SMTPPassword gives the SMTP password of a secret access key in a region: 44
// characters that begin with B (spec section 2.2).
func SMTPPassword(secret, region string) string {
	k := sum([]byte("AWS4"+secret), "11111111")
	k = sum(k, region)
	k = sum(k, "ses")
	k = sum(k, "aws4_request")
	return encode(version4, sum(k, message))
}

// SMTPPasswordV2 gives the password that SES derived before 2019, the same in
// every region: 44 characters that begin with A (spec section 2.3).
func SMTPPasswordV2(secret string) string {
	return encode(version2, sum([]byte(secret), message))
}

func encode(version byte, k []byte) string {
	return base64.StdEncoding.EncodeToString(append([]byte{version}, k...))
}

func sum(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}
