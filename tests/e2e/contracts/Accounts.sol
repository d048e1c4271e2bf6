// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Recover} from "./Recover.sol";

// An account that is a contract: its owner's key signs for it (ERC-1271).
contract Wallet {
    address public immutable owner;

    constructor(address owner_) {
        owner = owner_;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return Recover.signer(digest, signature) == owner ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    function execute(address to, bytes calldata data) external {
        require(msg.sender == owner, "not the owner");
        (bool success,) = to.call(data);
        require(success, "call failed");
    }
}

// What an account with a key delegates to (EIP-7702): that key goes on signing for it.
contract Delegate {
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return Recover.signer(digest, signature) == address(this) ? this.isValidSignature.selector : bytes4(0xffffffff);
    }
}

// The same, but its key no longer signs.
contract Revoked {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0xffffffff;
    }
}

// Multicall3 as far as it is used here.
contract Multicall3 {
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }
    struct Result {
        bool success;
        bytes returnData;
    }

    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) {
            (results[i].success, results[i].returnData) = calls[i].target.call(calls[i].callData);
            require(results[i].success || calls[i].allowFailure, "call failed");
        }
    }
}
