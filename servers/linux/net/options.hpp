// SPDX-License-Identifier: MIT
// Numbers of the options of level SOL_SOCKET.
#pragma once

#include "abi/types.hpp"

namespace pith::lx {

inline constexpr i32 kSolSocket = 1;

inline constexpr i32 kSoDebug = 1, kSoReuseAddress = 2, kSoType = 3, kSoError = 4, kSoDontRoute = 5,
                     kSoBroadcast = 6, kSoSendBuffer = 7, kSoReceiveBuffer = 8, kSoKeepAlive = 9,
                     kSoOutOfBandInline = 10, kSoNoCheck = 11, kSoPriority = 12, kSoLinger = 13,
                     kSoBsdCompatible = 14, kSoReusePort = 15, kSoPassCredentials = 16,
                     kSoPeerCredentials = 17, kSoReceiveLowWater = 18, kSoSendLowWater = 19,
                     kSoReceiveTimeout = 20, kSoSendTimeout = 21, kSoBindToDevice = 25, kSoAttachFilter = 26,
                     kSoDetachFilter = 27, kSoPeerName = 28, kSoTimestamp = 29, kSoAcceptConnections = 30,
                     kSoSendBufferForce = 32, kSoReceiveBufferForce = 33, kSoTimestampNs = 35, kSoMark = 36,
                     kSoProtocol = 38, kSoDomain = 39, kSoReceiveOverflow = 40, kSoPeekOffset = 42,
                     kSoLockFilter = 44, kSoIncomingCpu = 49, kSoCookie = 57, kSoPeerGroups = 59,
                     kSoBindToIndex = 62, kSoTimestampNew = 63, kSoTimestampNsNew = 64,
                     kSoReceiveTimeoutNew = 66, kSoSendTimeoutNew = 67;

// Control messages of that level.
inline constexpr i32 kScmRights = 1, kScmCredentials = 2;

/// Descriptors in one message, at most.
inline constexpr usize kMostRights = 253;

}  // namespace pith::lx
