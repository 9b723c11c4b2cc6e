/* LuaJIT's module bit: 32-bit operations whose results are signed. */
#include <math.h>
#include <stdio.h>

#include "console/lua/state.h"

/* Numbers are taken modulo 2^32, as LuaJIT does; fractions go. */
static uint32_t operand(lua_State *L, int i)
{
	if (lua_isinteger(L, i))
		return (uint32_t)lua_tointeger(L, i);
	return (uint32_t)(int64_t)fmod(floor(luaL_checknumber(L, i)), 4294967296.0);
}

static int result(lua_State *L, uint32_t value)
{
	lua_pushinteger(L, (int32_t)value);
	return 1;
}

static int to_bit(lua_State *L)
{
	return result(L, operand(L, 1));
}

static int bit_not(lua_State *L)
{
	return result(L, ~operand(L, 1));
}

#define FOLD(name, op)                                   \
	static int name(lua_State *L)                    \
	{                                                \
		uint32_t value = operand(L, 1);          \
                                                         \
		for (int i = 2; i <= lua_gettop(L); i++) \
			value op operand(L, i);          \
		return result(L, value);                 \
	}
FOLD(bit_and, &=)
FOLD(bit_or, |=)
FOLD(bit_xor, ^=)
#undef FOLD

static int shift_left(lua_State *L)
{
	return result(L, operand(L, 1) << (operand(L, 2) & 31));
}

static int shift_right(lua_State *L)
{
	return result(L, operand(L, 1) >> (operand(L, 2) & 31));
}

static int shift_arithmetic(lua_State *L)
{
	return result(L, (uint32_t)((int32_t)operand(L, 1) >> (operand(L, 2) & 31)));
}

static int rotate_left(lua_State *L)
{
	uint32_t value = operand(L, 1), n = operand(L, 2) & 31;

	return result(L, n ? value << n | value >> (32 - n) : value);
}

static int rotate_right(lua_State *L)
{
	uint32_t value = operand(L, 1), n = operand(L, 2) & 31;

	return result(L, n ? value >> n | value << (32 - n) : value);
}

static int swap_octets(lua_State *L)
{
	return result(L, __builtin_bswap32(operand(L, 1)));
}

/* tohex(x [, n]): the last n hexadecimal digits (8), upper case when n is negative. */
static int to_hex(lua_State *L)
{
	uint32_t value = operand(L, 1);
	lua_Integer n = luaL_optinteger(L, 2, 8);
	char text[16];
	int digits;

	if (n > 8 || n < -8)
		n = n < 0 ? -8 : 8;
	digits = (int)(n < 0 ? -n : n);
	snprintf(text, sizeof(text), n < 0 ? "%08X" : "%08x", value);
	lua_pushstring(L, text + 8 - digits);
	return 1;
}

static const luaL_Reg functions[] = {
	{"tobit", to_bit},      {"tohex", to_hex},       {"bnot", bit_not},
	{"band", bit_and},      {"bor", bit_or},         {"bxor", bit_xor},
	{"lshift", shift_left}, {"rshift", shift_right}, {"arshift", shift_arithmetic},
	{"rol", rotate_left},   {"ror", rotate_right},   {"bswap", swap_octets},
	{NULL, NULL},
};

static int open_bit(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}

void lua_compat_bit_register(lua_State *L)
{
	luaL_requiref(L, "bit", open_bit, 1);
	lua_pop(L, 1);
}
