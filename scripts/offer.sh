# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The offer that the shell tests and the bench take payments for: a token of Base Sepolia, signed for by EIP-3009.

USDC=0x036CbD53842c5426634e7929541eC2318f3dCF7e

offer_section() { # NAME [ASSET]: a section of the configuration
	cat <<-END
		[offer $1]
		method = eip3009
		network = eip155:84532
		asset = ${2:-$USDC}
		pay_to = 0x209693Bc6afc0C5328bA36FaF03C514EF312287C
		amount = 10000
		max_timeout_s = 300
		token_name = USDC
		token_version = 2
	END
}
