package verdict

// common are the words that many servers use: the defaults of Postfix, Exim,
// Sendmail, qmail and others, and of the filters beside them.
var common = compile([]row{
	// Another relay gave up: what stands after it is a quotation.
	{"", "", 5, "", "message expired|retry timeout exceeded|delivery time expired", Expired},
	{"", "", 0, "", "dmarc|spf check|spf-check|spf record|sender policy framework|fails spf|spf fail|failed spf|spf hard|dkim*fail|not pass dkim|unauthenticated email|unauthenticated sender|does not pass authentication|must pass either spf or dkim", Authentication},
	{"Postfix", "", 0, "", "doesn't allow sending mails from|not allowed to send from*spf|mismatches client ip", Authentication},

	{"", "", 0, "", "mailbox full|mailbox is full|mail box full|inbox is full|mailbox*is full|over quota|overquota|quota exceeded|exceeded*quota|exceeds*quota|quota limit|quota full|disk quota|user quota|mailbox size limit|mailbox exceeded the local limit|mailbox exceeds allowed size|exceeded storage allocation|not enough space in mailbox|out of storage|storage limit|recipient storage full", Full},
	{"", "", 0, "", "size exceeds|exceeds the maximum size|message too large|message too big|message is too large|message is too long|message length exceeds|exceeded mailsize limit|exceeds maximum message size|message size limit|size limit exceeded|too large message|larger than the current system limit|message is larger than|max message size|file size limit|headers too large|too much mail data", TooLarge},

	{"", "", 0, "", "rate limit|ratelimit|rate-limit|too many connections|too many concurrent|maximum number of concurrent|concurrent connections|connection limit|too many messages|too many mails|too much mail|too many recipients this|sending too fast|slow down|throttl|exceeded the rate|excessive volume|exceeded the maximum number|too many emails|connection rate|message rate|temporarily limited|maximum connections", Rate},

	{"", "", 0, "", "mailbox*disabled|account*disabled|account*suspended|mailbox*suspended|account*inactive|mailbox*inactive|user*inactive|is inactive|inactive email|mailbox is frozen|account is locked|user is locked|account has been locked|disabled recipient|user*suspended|user is disabled|recipient*disabled|account has expired|account expired|deactivated|mailbox locked|mailbox is locked|account closed|account is closed|account has been closed|no longer accepts mail|blocked due to inactivity", Disabled},
	{"", "", 0, "", "sender address rejected|sender rejected|sender verify failed|domain of sender|sender domain|invalid sender|sender denied|denies the sender", Sender},
	{"", "", 0, "", "user unknown|unknown user|user not found|user doesn't exist|user does not exist|user not exist|no such user|no such recipient|no such mailbox|no such person|no such account|no such address|no such email|not a valid user|not a known user|unknown recipient|recipient unknown|recipient not found|recipient does not exist|address does not exist|address unknown|unknown address|address not found|address could not be found|unknown local part|unknown or illegal|unknown mailbox", NoMailbox},
	{"", "", 0, "", "mailbox not found|mailbox does not exist|mailbox doesn't exist|mailbox unknown|mailbox unallocated|mailbox not exist|no mailbox here|no mailbox by that name|account does not exist|account doesn't exist|account that you tried to reach does not exist|tried to reach does not exist|does not exist here|is not a valid mailbox|not a valid email address|not a valid recipient|marked as invalid|invalid recipient|invalid mailbox|invalid user|invalid address|unrouteable address|unroutable address|undeliverable address|not in recipient list|recipient no longer|no longer on server|not our customer|not our user|not a registered|isn't a valid|doesn't have an account|addressee unknown|not listed in domino|not listed in public|unknown account|account not found|no valid recipient|destinatario sconosciuto|indirizzo inesistente", NoMailbox},
	{"", "", 550, "", "requested action not taken: mailbox unavailable|mailbox unavailable|verification failed for|recipient verify fail", NoMailbox},
	{"", "", 5, "1.0|1.1", "address rejected|recipient address rejected", NoMailbox},
	{"", "", 0, "", "unknown in virtual|unknown in local|unknown in relay", NoMailbox},
	{"", "", 0, "", "greylist|graylist|grey list|postgrey", Greylisting},
	{"", "", 5, "", "virus|malware|infected|trojan", Attachment},
	{"", "", 0, "", "attachment*not allowed|forbidden attachment|attachment type|banned file|blocked file|file name is not allowed|banned name", Attachment},
	{"", "", 0, "", "bad address syntax|bad recipient address syntax|is not a valid rfc|invalid recipient syntax|malformed recipient", BadAddress},

	{"Postfix", "", 0, "", "sender address*blocked using", Sender},
	{"", "", 0, "", "spamhaus|spamcop|barracudacentral|blocked using|dnsbl|rbl |blacklist|blocklist|black list|block list|listed in|listed at|listed by|banned sending ip|bad reputation|poor reputation|low reputation|reputation|senderscore|sorbs|uceprotect|abusix|invaluement|mailspike|blocked for spam|blocked for abuse|blocked due to spam|black ip|cloudmark sender intelligence|sender intelligence", Reputation},
	{"", "", 0, "", "reverse dns|ptr record|rdns|no ptr|reverse hostname|cannot find your hostname|cannot find your reverse|cannot resolve your|name lookup failed|may not be mail exchanger|failure in dns look-up|dynamic ip|client host rejected|open relay|insecure mail relay|invalid helo|helo command rejected|helo name|ehlo*rejected|invalid ip|you are not allowed to connect|not allowed to connect|your ip|your host|server ip|sending ip", Reputation},

	{"", "", 0, "", "relay access denied|relaying denied|relay not permitted|relay denied|unable to relay|not configured to relay|relaying not allowed|relaying disallowed|relay is not|relaying prohibited|no relaying|not permitted to relay|denies relay|not relay|isn't in my list of allowed rcpthosts|in my list of allowed|not accept mail for|doesn't handle mail for|we do not relay", NotServed},
	{"", "", 0, "", "sender verification|senders domain|mail from*rejected|sender is not|sender not|return path|from address|blocked sender|envelope sender|sender address", Sender},

	{"", "", 0, "", "spam|unsolicited|bulk mail|junk|message content rejected|content rejected|content denied|content filter|message blocked|message rejected by filter|message was rejected|message filtered|message filter|suspicious|phish|scored as|prohibited content|banned content|forbidden content|blocked by filter|blocked by content|bayes|spf|dkim|not rfc compliant|rfc 5322|rfc 2822|rfc5322|rfc2822|8-bit data|bare lf|bare <lf>|no from: header|missing a valid", Content},
	{"", "", 0, "", "starttls|encryption needed|encryption required|tls required|must issue a|certificate|tls not|tls negotiation|handshake", TLS},
	{"", "", 0, "", "host does not accept mail|null mx|does not receive mail|doesn't receive email|domain not found|domain does not exist|host not found|host unknown|no such domain|mail loop|routing loop|loops back|too many hops|hop count|looping|loop detected|unable to route|domain is not reachable|name service error", DNS},

	{"", "", 0, "", "policy|access denied|administrative prohibition|prohibited|not authorized|not authorised|unauthorized|not permitted|not allowed|denied by|mail rejected|message rejected|refused by|blocked|go away|preferences|security|restricted|rejected by|user refuses|restriction|smtp authentication|authentication required|authentication is required|permanent failure for one or more", Policy},

	{"", "", 4, "", "insufficient*storage|insufficient*space|insufficient*resources|insufficient disk|out of memory|temporary lookup failure|temporary local problem|local error|internal server error|internal error|server error|temporary failure|temporarily unavailable|temporary*error|system error|server busy|too busy|busy|service unavailable|service currently unavailable|service is currently unavailable|not available|try again|try later|come back later|configuration error|lookup failure|queue", Remote},
	{"", "", 5, "", "system config error|internal system error|local configuration error|mail system problem|system error|internal error|internal server error|service currently unavailable|service is currently unavailable|not accepting connections", Remote},
	{"", "", 0, "", "timeout exceeded|too many errors|timed out|connection closed|unable to contact destination", Remote},
	{"", "", 0, "", "bad sequence|rcpt first|need rcpt|need mail|syntax error|command not|not implemented|unrecognized command|protocol violation|too many recipients|synchronization error|pipelining", Protocol},
})

// statuses read the enhanced status code where the words said nothing (RFC 3463 and
// the registry of RFC 5248).
var statuses = compile([]row{
	{"", "", 0, "1.10", "", DNS}, // RFC 7505 section 4.1
	{"", "", 0, "1.0|1.1|1.4|1.6", "", NoMailbox},
	{"", "", 0, "1.2", "", DNS},
	{"", "", 0, "1.3", "", BadAddress},
	{"", "", 0, "1.7|1.8|1.9", "", Sender},
	{"", "", 0, "2.1", "", Disabled},
	{"", "", 0, "2.2", "", Full},
	{"", "", 0, "2.3|3.4", "", TooLarge},
	{"", "", 0, "3.", "", Remote},
	{"", "", 0, "4.4|4.6", "", DNS},
	{"", "", 0, "4.7", "", Expired},
	{"", "", 0, "4.0|4.3", "", DNS},
	{"", "", 0, "4.1|4.2", "", Connection},
	{"", "", 0, "4.", "", Remote},
	{"", "", 0, "5.", "", Protocol},
	{"", "", 0, "6.", "", Content},
	{"", "", 0, "7.20|7.21|7.22|7.23|7.24|7.26|7.29", "", Authentication},
	{"", "", 0, "7.25", "", Reputation},
	{"", "", 0, "7.27", "", Sender},
	{"", "", 0, "7.28", "", Rate},
	{"", "", 0, "7.13", "", Disabled},
	{"", "", 0, "7.17|7.18", "", NoMailbox}, // RFC 7293: the owner has changed
	{"", "", 0, "7.4|7.5|7.10|7.11|7.30", "", TLS},
	{"", "", 0, "7.", "", Policy},
})

// codes read the reply code alone (RFC 5321 section 4.2.3, RFC 7504).
var codes = compile([]row{
	{"", "", 421, "", "", Remote},
	{"", "", 451, "", "", Remote},
	{"", "", 452, "", "", Full}, // spec section 6.9
	{"", "", 454, "", "", TLS},
	{"", "", 521, "", "", DNS},
	{"", "", 525, "", "", Disabled},
	{"", "", 530, "", "", Policy},
	{"", "", 551, "", "", NoMailbox},
	{"", "", 552, "", "", TooLarge}, // spec section 6.9
	{"", "", 553, "", "", BadAddress},
	{"", "", 556, "", "", DNS},
	{"", "", 500, "", "", Protocol},
	{"", "", 501, "", "", Protocol},
	{"", "", 502, "", "", Protocol},
	{"", "", 503, "", "", Protocol},
	{"", "", 504, "", "", Protocol},
	{"", "", 555, "", "", Protocol},
})

// ours are the replies that we make ourselves.
var ours = compile([]row{
	{"", "", 5, "4.7", "", Expired}, // spec section 6.3
	{"", "", 0, "7.5", "could not be signed", Local},
	{"", "", 0, "7.5|7.10", "", TLS},
	{"", "", 4, "4.1|4.2", "", Connection},
	{"", "", 4, "7.0", "broke the tls negotiation", TLS},
	{"", "", 4, "3.", "", Local},
	{"", "", 451, "7.1", "waits: the remote host refused", Sender},
	{"", "", 454, "7.0", "", Local}, // AUTH at the smarthost
	{"", "", 4, "5.0", "unusable reply", Remote},
	{"", "", 5, "6.", "", Content},
	{"", "", 5, "7.0", "bad content", Attachment},
	{"", "", 5, "7.0", "", Local}, // cancelled
})
